/*
 * A space of which other scores are known than those that its capability tells: somebody had them made elsewhere.
 */
#ifndef NARROWD_SPACE_RESCORED_H
#define NARROWD_SPACE_RESCORED_H

#include "space/space.h"

/* What was told, of each operator of the model. */
struct rescore {
	/* Entries that say scores alone, in atoms of the space's capability; others, which came later, fit nothing.
	 * rescored_create() takes them and leaves the list empty. Owned. */
	struct fact_list *entries;
	double *numbers; /* one for each way to quantize it; NAN where none was told; owned */
};

/*
 * The same space, with these scores in place of all that the capability tells or that other jobs learnt: their units may
 * be others. It shares all else with `space`, which must live as long. Destroy it with rescored_destroy().
 */
struct space *rescored_create(const struct space *space, struct rescore *scores);
void rescored_destroy(struct space *space);
/* Of rescored_create(), or before it. */
void rescore_finish(struct rescore *scores, size_t members);

#endif
