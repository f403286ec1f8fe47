/*
 * How promising configs are when options have additive effects: the expected improvement of the
 * objective times the probability of meeting the criterion (Gardner et al.: Bayesian optimization
 * with inequality constraints, ICML 2014), and the best of many small changes of a config.
 */
#ifndef NARROWD_STRATEGIES_MODELS_PROMISE_H
#define NARROWD_STRATEGIES_MODELS_PROMISE_H

#include "strategies/models/additive.h"

struct promise {
	struct additive margins, objectives;
	double best; /* objective of the best feasible trial; INFINITY without one */
};

void promise_init(struct promise *promise, const struct trials *trials);
void promise_finish(struct promise *promise);
/* The logarithm; without a feasible trial that of the probability alone. */
double promise_of(const struct promise *promise, const uint16_t *digits);
/* Replaces choices while that promises more, visiting as many dimensions as there are in an order
 * drawn from `rng`. */
void promise_climb(const struct promise *promise, uint16_t *digits, struct rng *rng);

#endif
