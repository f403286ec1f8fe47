/*
 * The belief that unknown factors are lognormal, positive and a few of them many times larger than the
 * others, in a linear model whose weights are normal.
 */
#ifndef NARROWD_STRATEGIES_MODELS_LOGNORMAL_H
#define NARROWD_STRATEGIES_MODELS_LOGNORMAL_H

#include "strategies/models/linear.h"

/*
 * The weights of the features from `first` on, of one group, stand for factors: weight w for 1 + w,
 * which is lognormal with mean 1 and `variance`. Gives each the normal prior with which its
 * posterior comes closest to the one that this belief asks for: expectation propagation (Minka:
 * Expectation propagation for approximate Bayesian inference, UAI 2001), with all other weights as
 * they are. Fits the model some times; not after the last change.
 */
void lognormal_believe(struct linear *model, uint32_t first, size_t count, double variance);

#endif
