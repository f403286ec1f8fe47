/*
 * What to ask next, given two models: how much is lost and how long it takes.
 *
 * Candidates are selections that a knapsack over the chain of operators finds, on what is believed,
 * with several budgets, and on draws from what is believed possible; and neighbours of the best, again
 * and again from what is better. The one with the largest expected improvement times the probability to meet the criterion is taken
 * (Jones, Schonlau and Welch 1998; Gardner et al. 2014).
 */
#ifndef NARROWD_STRATEGIES_MODELS_ACQUIRE_H
#define NARROWD_STRATEGIES_MODELS_ACQUIRE_H

#include "strategies/models/draws.h"
#include "strategies/models/effects.h"
#include "strategies/models/linear.h"
#include "strategies/models/trials.h"

struct beliefs {
	struct trials trials; /* with the full product */
	struct effects effects;
	struct linear loss, latency;
	struct draws draws;
	bool drawn;       /* whether the draws say what may be lost; else the model */
	bool *told_noise; /* whether a near copy that differs in the operator was measured; owned */
	double limit;     /* what may be lost: 1 is what the criterion says */
	double best;      /* objective, relative to the baseline, which is 1 */
	size_t incumbent; /* index in trials: where to look around; or SIZE_MAX */
};

/*
 * A config that is new, which the caller destroys; NULL when none was found. *ret_score is the
 * logarithm of what is to be expected of it, or INFINITY while results are out.
 */
struct config *acquire_config(const struct beliefs *beliefs, struct rng *rng, double *ret_score);

#endif
