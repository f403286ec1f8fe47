/*
 * The belief that unknown factors are lognormal, positive and a few of them many times larger than the
 * others, in a linear model whose weights are normal.
 */
#ifndef NARROWD_STRATEGIES_MODELS_LOGNORMAL_H
#define NARROWD_STRATEGIES_MODELS_LOGNORMAL_H

#include "strategies/models/linear.h"

/* Which weights, and what is believed of them: weight w stands for the factor 1 + w / scale. */
struct lognormal {
	uint32_t first; /* feature; the others follow `apart` from each other, all of one group */
	uint32_t apart;
	size_t count;
	double variance; /* of the factors, whose mean is 1 */
	double scale;    /* may be negative */
	double odd;      /* the share of those that may be 0 or less: these are about normal */
};

/*
 * Gives each weight the normal prior with which its posterior comes closest to the one that the belief asks for:
 * expectation propagation (Minka: Expectation propagation for approximate Bayesian inference, UAI 2001), with all
 * other weights as they are. Fits the model some times; not after the last change.
 */
void lognormal_believe(struct linear *model, const struct lognormal *belief);

#endif
