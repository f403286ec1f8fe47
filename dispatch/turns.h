/*
 * Turns: who of many that wait comes next, owner by owner and each owner's own one by one, so that who
 * has many jobs gets no more than who has one.
 *
 * Whoever waits is a node of an intrusive list and leaves by list_remove(). Loop thread.
 */
#ifndef NARROWD_DISPATCH_TURNS_H
#define NARROWD_DISPATCH_TURNS_H

#include <stdbool.h>

#include "base/list.h"

struct turns {
	struct list owners; /* of struct turns_owner, whose turn is next first */
};

void turns_init(struct turns *turns);
/* Nobody waits any more. */
void turns_finish(struct turns *turns);
/* At the end of its owner's queue. `name` is the owner's, and copied. */
void turns_join(struct turns *turns, const char *name, struct list *node);
/* The first that fits, in the order of turns; NULL when none does. NULL as `fits`: everybody. */
struct list *turns_next(struct turns *turns, bool (*fits)(void *arg, struct list *node), void *arg);
/* One of this owner was served: the others come first. */
void turns_served(struct turns *turns, const char *name);

#endif
