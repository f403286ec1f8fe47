/*
 * How certain it is that what was measured to meet the criterion truly meets it.
 */
#ifndef NARROWD_STRATEGIES_MODELS_CERTAINTY_H
#define NARROWD_STRATEGIES_MODELS_CERTAINTY_H

#include "strategies/models/acquire.h"

/* Whether a trial was measured to meet the criterion. */
bool certainty_is_candidate(const struct known *trial);
/*
 * Writes how certain each trial is to meet the criterion truly: without noise as measured, else by the
 * model. `noises` are the probabilities of the levels of noise. The model is fitted some times and is afterwards
 * as before.
 */
void certainty_find(struct beliefs *beliefs, const double *noises, double *ret);
/* The probability that so many more measurements of the trial, each with this deviation, leave it certain to meet the
 * criterion by so many deviations, by the model as it is fitted. `scratch` as linear_deviation() has it. */
double certainty_provable(const struct beliefs *beliefs, const struct known *trial,
			  size_t measurements, double noise, double deviations, double *scratch);

#endif
