/*
 * Uniform options: those that have one value for all operators of a mode, because the framework
 * takes them as an argument of the whole call. Each that has several values is a dimension of its own.
 */
#ifndef NARROWD_SPACE_UNIFORM_H
#define NARROWD_SPACE_UNIFORM_H

#include "space/space.h"

/* What restrictions leave of the capability, before it is enumerated. Sets are shared. */
struct left {
	struct mode_set *sets;
	size_t set_count;
	uint32_t *set_of; /* by operator */
};

void left_finish(struct left *left);

/*
 * Narrows each uniform option to what all quantized operators of a mode have, and adds an extra for
 * it when that is more than one value. ERR_INVALID_FIELD with a fault where nothing is common.
 */
int uniform_take(struct space *space, struct left *left, const struct space_request *request,
		 struct err *reterr);
/* Adds an extra whose values are to be filled in; space.c. */
struct extra *space_add_extra(struct space *space, const char *name, size_t count);

#endif
