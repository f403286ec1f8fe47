/*
 * What measuring a config again says of noise: the same numbers that there is none, others how much there is.
 */
#ifndef NARROWD_STRATEGIES_MODELS_REPEATS_H
#define NARROWD_STRATEGIES_MODELS_REPEATS_H

#include "strategies/models/effects.h"
#include "strategies/models/trials.h"

/* Takes what repeats say of losses into `noises`, the probabilities of the levels of loss_model_noise(). */
void repeats_weigh(const struct trials *trials, const struct effects *effects,
		   const struct criterion *criterion, double *noises);
/* Whether a config lost more or less when it was measured again, which shows noise. */
bool repeats_differ(const struct trials *trials);
/* The deviation of an objective, as a share of that of the baseline; NAN while nothing was repeated. */
double repeats_jitter(const struct trials *trials);

#endif
