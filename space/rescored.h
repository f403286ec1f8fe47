/*
 * A space of which other scores are known than those that its capability tells: somebody had them made elsewhere.
 */
#ifndef NARROWD_SPACE_RESCORED_H
#define NARROWD_SPACE_RESCORED_H

#include "space/space.h"

/* What was told of one operator of the model. */
struct rescore_op {
	uint32_t op;
	double number; /* of each way to quantize it; NAN where none was told */
	/* Entries that say scores alone, in atoms of the space's capability; others, which came later, fit nothing.
	 * rescored_create() takes them and leaves the list empty. Owned. */
	struct fact_list entries;
};

/* What was told at once: of those alone who have some, each once, so that it is no larger than what was sent. */
struct rescore {
	struct rescore_op *ops; /* owned */
	size_t count;
};

/*
 * The same space, with these scores in place of all that the capability tells or that other jobs learnt: their units may
 * be others. It shares all else with `space`, which must live as long. Destroy it with rescored_destroy().
 */
struct space *rescored_create(const struct space *space, struct rescore *scores);
void rescored_destroy(struct space *space);
/* Before rescored_create() or behind it. NULL is nothing. */
void rescore_destroy(struct rescore *scores);

#endif
