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

/* What the trial truly loses, by the model as it is fitted. */
static double true_loss(const struct beliefs *beliefs, const struct known *trial, double *scratch,
			double *ret_spread)
{
	const struct effects *effects = &beliefs->effects;
	uint16_t *options = mem_new(effects->space->dimension_count, sizeof(*options));
	const struct linear *model = &beliefs->loss;
	struct linear_row row = {0};
	double mean;

	effects_options(effects, trial->config, options);
	mean = loss_model_row(effects, options, &row);
	*ret_spread = linear_deviation(model, &row, scratch);
	mean += linear_mean(model, &row);
	linear_row_finish(&row);
	free(options);
	return mean;
}

/* The probability that this is within bounds. */
static double certainty(const struct beliefs *beliefs, const struct known *trial, double *scratch)
{
	double spread, mean = true_loss(beliefs, trial, scratch, &spread);

	return exp(normal_log_cdf((1 - mean) / spread));
}

/* What is believed of the loss moves by as much as its spread shrinks. */
double certainty_provable(const struct beliefs *beliefs, const struct known *trial,
			  size_t measurements, double noise, double deviations, double *scratch)
{
	double spread, mean = true_loss(beliefs, trial, scratch, &spread);
	double before = spread * spread,
	       after = before / (1 + (double)measurements * before / (noise * noise));
	double spare = 1 - deviations * sqrt(after) - mean;

	return exp(normal_log_cdf(spare / sqrt(before - after)));
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
		model->noise = loss_model_noise(&beliefs->effects, k);
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
