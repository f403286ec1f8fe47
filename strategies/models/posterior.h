/*
 * The posterior: what the structured models believe of every option of every operator by itself,
 * after some measurements, whichever strategy asked for them.
 */
#ifndef NARROWD_STRATEGIES_MODELS_POSTERIOR_H
#define NARROWD_STRATEGIES_MODELS_POSTERIOR_H

#include "strategies/interface/strategy.h"

/* A measurement of a config. */
struct finding {
	const struct config *config; /* borrowed while the posterior is made */
	double margin;               /* as in struct event */
	double latency;              /* of the baseline's 1; NAN when unknown */
};

/* Of a normal distribution; `spread` is the standard deviation. */
struct belief {
	double mean, spread;
};

struct posterior {
	size_t op_count;
	uint32_t *first; /* operator i has options first[i] .. first[i + 1] - 1 */
	uint32_t *alike; /* of each operator the first of which the same is known and believed */
	struct belief *losses;    /* in units of what may be lost, against fp32 */
	struct belief *latencies; /* against fp32, of the baseline's 1; NULL when none is known */
	double loss_noise;        /* of one measurement, in units of what may be lost */
};

/*
 * `scores`: of each operator, NAN where there is none; `option_scores` those of each option, in the order of
 * `first`, or NULL; borrowed. Findings in the order in which they were made,
 * at least one. Takes long with many operators: any thread. posterior_destroy() takes NULL.
 */
struct posterior *posterior_create(const struct problem *problem, const double *scores,
				   const double *option_scores, const struct finding *findings,
				   size_t count);
void posterior_destroy(struct posterior *posterior);

#endif
