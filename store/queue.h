/*
 * What waits to be written, and the groups in which it is.
 *
 * No thread of its own and no lock: whoever shares a queue guards it. It owns no op.
 */
#ifndef NARROWD_STORE_QUEUE_H
#define NARROWD_STORE_QUEUE_H

#include <stdbool.h>

#include "store/op.h"

enum {
	QUEUE_GROUP_OPS = 256,
	/* A group ends early at this many events, so that its first op does not wait for long. */
	QUEUE_GROUP_EVENTS = 8192,
	/* While PostgreSQL is away, this is what waits before clients are told to come again. */
	QUEUE_WAITING_OPS = 1024,
	QUEUE_WAITING_BYTES = 64 * 1024 * 1024,
};

struct queue {
	struct list ops;
	int64_t count;
	int64_t bytes; /* as its ops say */
};

/* Ops that go to the disk together. */
struct group {
	struct op *ops[QUEUE_GROUP_OPS];
	size_t count;
};

void queue_init(struct queue *queue);
void queue_append(struct queue *queue, struct op *op);
/* Moves the oldest of them to the group, as many as go together; none when none waits. */
void queue_take(struct queue *queue, struct group *ret_group);
/* So much waits that who can come again should. */
bool queue_is_long(const struct queue *queue);

#endif
