/*
 * Computes for each trial how certain it is that it truly meets the criterion, under every level
 * of noise.
 */
#include "strategies/models/certainty.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "strategies/models/normal.h"

/* What is less probable changes nothing. */
static const double negligible = 1e-4;

/* The probability that the trial's true loss is within bounds, by the model as it is fitted. */
static double certainty(const struct beliefs *beliefs, const struct known *trial, double *scratch)
{
	const struct effects *effects = &beliefs->effects;
	uint16_t *options = mem_new(effects->space->dimension_count, sizeof(*options));
	const struct linear *model = &beliefs->loss;
	struct linear_row row = {0};
	double mean, spread;

	effects_options(effects, trial->config, options);
	mean = loss_model_row(effects, options, &row);
	spread = linear_deviation(model, &row, scratch);

	mean += linear_mean(model, &row);
	linear_row_finish(&row);
	free(options);
	return exp(normal_log_cdf((1 - mean) / spread));
}

bool certainty_is_candidate(const struct known *trial)
{
	return trial->state == KNOWN_TOLD && trial->feasible && trial->trial > 0;
}

void certainty_find(struct beliefs *beliefs, const double *noises, double *ret)
{
	const struct trials *trials = &beliefs->trials;
	struct linear *model = &beliefs->loss;
	double *scratch = mem_new(model->feature_count, sizeof(*scratch)), noise = model->noise;

	for (size_t i = 0; i < trials->count; i++) {
		ret[i] = noises[0];
	}
	for (size_t k = 1; k < loss_model_noises(&beliefs->effects); k++) {
		if (noises[k] < negligible) {
			continue;
		}
		model->noise = loss_noises[k];
		linear_fit(model);
		for (size_t i = 0; i < trials->count; i++) {
			ret[i] +=
				certainty_is_candidate(&trials->list[i])
					? noises[k] * certainty(beliefs, &trials->list[i], scratch)
					: 0;
		}
	}
	model->noise = noise;
	linear_fit(model);
	free(scratch);
}
