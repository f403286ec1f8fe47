/* Finds pairs of measurements that should be equal, and makes one where there is none. */
#include "strategies/models/near_copy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/latency_model.h"

/* In units of what may be lost: the most that a copy is expected to lose more or less. */
static const double farthest = 0.2;
/* Of a copy that is made for the purpose. */
static const double far = 0.05;
/* What two copies differ by when there is no noise to speak of; else as loss_model_noise() says. */
static const double quiet = 0.01;
/* How often two that should lose the same do not, and by how much then. */
static const double odd = 0.02, oddly_far = 0.5;

static double square(double x)
{
	return x * x;
}

/* The expected square of the difference of two selections' losses, or INFINITY when they are far apart. */
static double distance(const struct linear *loss, const struct effects *effects, const uint16_t *a,
		       const uint16_t *b)
{
	double sum = 0;

	for (size_t i = 0; i < effects->op_count && sum <= square(farthest); i++) {
		if (a[i] != b[i]) {
			sum += loss_model_difference(loss, effects, i, a[i], b[i]);
		}
	}
	return sum <= square(farthest) ? sum : INFINITY;
}

/* The earlier measurement, from the oldest on, that is nearest, or `of` itself when none is near. */
static size_t nearest(const struct linear *loss, const struct effects *effects,
		      const struct measured *data, size_t oldest, size_t of, double *ret_distance)
{
	size_t found = of;

	*ret_distance = INFINITY;
	for (size_t i = oldest; i < of; i++) {
		double d = distance(loss, effects, data->options[of], data->options[i]);

		if (d < *ret_distance) {
			*ret_distance = d;
			found = i;
		}
	}
	return found;
}

/* Whether nothing was told yet by the operators that two selections differ in; they are told then. */
static bool is_news(const struct effects *effects, const uint16_t *a, const uint16_t *b, bool *told)
{
	bool news = true;

	for (size_t i = 0; i < effects->op_count; i++) {
		news = news && (a[i] == b[i] || !told[i]);
	}
	for (size_t i = 0; i < effects->op_count && news; i++) {
		told[i] = told[i] || a[i] != b[i];
	}
	return news;
}

static double density(double difference, double variance)
{
	return exp(-0.5 * square(difference) / variance) / sqrt(variance);
}

/* Of a difference between two that are expected to differ little. */
static double likelihood(double difference, double expected, double noise)
{
	double noises = 2 * square(noise);

	return (1 - odd) * density(difference, expected + noises) +
	       odd * density(difference, square(oddly_far) + noises);
}

void near_copy_weigh(const struct linear *loss, const struct effects *effects,
		     const struct measured *data, double *noises, bool *ret_told)
{
	size_t most = effects_most_rows(effects);
	size_t oldest = data->count > most ? data->count - most : 0;
	double logs[LOSS_NOISES], best = -INFINITY, sum = 0;

	memset(ret_told, 0, effects->op_count * sizeof(*ret_told));
	for (size_t k = 0; k < LOSS_NOISES; k++) {
		logs[k] = k < loss_model_noises(effects) ? log(noises[k]) : -INFINITY;
	}
	for (size_t i = oldest + 1; i < data->count; i++) {
		double expected;
		size_t copied = nearest(loss, effects, data, oldest, i, &expected);
		double difference = data->values[i] - data->values[copied];

		if (copied == i ||
		    !is_news(effects, data->options[i], data->options[copied], ret_told)) {
			continue;
		}
		for (size_t k = 0; k < loss_model_noises(effects); k++) {
			logs[k] += log(likelihood(difference, expected,
						  k == 0 ? quiet : loss_model_noise(effects, k)));
		}
	}
	for (size_t k = 0; k < loss_model_noises(effects); k++) {
		best = fmax(best, logs[k]);
	}
	for (size_t k = 0; k < loss_model_noises(effects); k++) {
		noises[k] = exp(logs[k] - best);
		sum += noises[k];
	}
	for (size_t k = 0; k < loss_model_noises(effects); k++) {
		noises[k] /= sum;
	}
}

/* What options cost in time, as it is believed. */
struct times {
	const struct effects *effects;
	double *options, *borders;
};

static double border(const struct times *times, const uint16_t *options, size_t left)
{
	const struct effects *effects = times->effects;

	return left + 1 < effects->op_count &&
			       effects->classes[effects->first[left] + options[left]] !=
				       effects->classes[effects->first[left + 1] +
							options[left + 1]]
		       ? times->borders[left]
		       : 0;
}

/* Of one operator and its borders. */
static double time_at(const struct times *times, const uint16_t *options, size_t op)
{
	return times->options[times->effects->first[op] + options[op]] +
	       border(times, options, op) + (op > 0 ? border(times, options, op - 1) : 0);
}

/* The copy so far, and how much faster it is. */
struct copy {
	struct config *config;
	double gain;
};

/* Tries one option of an operator; `options` are the trial's, and again afterwards. */
static void try(const struct beliefs *beliefs, const struct times *times, uint16_t *options,
		size_t op, uint16_t option, struct copy *best)
{
	double gain = time_at(times, options, op);
	uint16_t was = options[op];
	struct config *config;

	options[op] = option;
	gain -= time_at(times, options, op);
	config = gain > best->gain ? effects_config(times->effects, options) : NULL;
	options[op] = was;
	if (config == NULL || config_set_has(&beliefs->trials.seen, config)) {
		config_destroy(config);
		return;
	}
	config_destroy(best->config);
	*best = (struct copy){config, gain};
}

struct config *near_copy_make(const struct beliefs *beliefs, size_t trial)
{
	const struct effects *effects = &beliefs->effects;
	struct times times = {effects, mem_new(effects->option_count, sizeof(double)),
			      mem_new(effects->op_count, sizeof(double))};
	uint16_t *options = mem_new(effects->space->dimension_count, sizeof(*options));
	struct copy best = {NULL, -INFINITY};

	effects_options(effects, beliefs->trials.list[trial].config, options);
	latency_model_options(effects, beliefs->latency.weights, times.options, times.borders);
	for (size_t i = 0; i < effects->op_count; i++) {
		for (uint32_t k = 0; k < effects->first[i + 1] - effects->first[i]; k++) {
			if (k != options[i] && !beliefs->told_noise[i] &&
			    loss_model_difference(&beliefs->loss, effects, i, options[i],
						  (uint16_t)k) <= square(far)) {
				try(beliefs, &times, options, i, (uint16_t)k, &best);
			}
		}
	}
	free(options);
	free(times.options);
	free(times.borders);
	return best.config;
}
