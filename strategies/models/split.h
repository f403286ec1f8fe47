/*
 * Which trials are good: what TPE learns from (Bergstra et al.: Algorithms for hyper-parameter
 * optimization, 2011).
 */
#ifndef NARROWD_STRATEGIES_MODELS_SPLIT_H
#define NARROWD_STRATEGIES_MODELS_SPLIT_H

#include "strategies/models/trials.h"

/* What is out counts as not good, so that parallel questions keep away from it. */
struct split {
	size_t *good; /* trials, the best first */
	size_t good_count;
	bool *is_good;      /* of each trial */
	float *log_weights; /* of each trial: older ones weigh less, except good ones */
};

/*
 * The best `share` of the trials, 25 at most: feasible ones by objective, then the others by how
 * much they miss, then failed ones. With `inc`, the job's problem, by INC's loss instead.
 */
void split_init(struct split *split, const struct trials *trials, double share,
		const struct problem *inc);
void split_finish(struct split *split);

#endif
