/* Fits what options, operators and types lose beyond what is expected. */
#include "strategies/models/loss_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/lognormal.h"

enum { GROUP_COMMON, GROUP_TAG, GROUP_OP, GROUP_OPTION };

static const double rough_noises[] = {0.03, 0.1, 0.3, 0.6, 1.2};
static const double fine_noises[LOSS_NOISES] = {0.03, 0.1, 0.17, 0.3, 0.42, 0.6, 0.85, 1.2};
/* FIRST_NOISES: under rules 1. */
enum { FIRST_NOISES = 3, ROUGH_NOISES = sizeof(rough_noises) / sizeof(rough_noises[0]) };

static const double proportional_noise = 0.1;

size_t loss_model_noises(const struct effects *effects)
{
	return effects->first_rules ? FIRST_NOISES : effects->noisy ? LOSS_NOISES : ROUGH_NOISES;
}

double loss_model_noise(const struct effects *effects, size_t level)
{
	return effects->noisy ? fine_noises[level] : rough_noises[level];
}

static uint32_t tag_feature(const struct effects *effects, size_t op, size_t tag)
{
	return (uint32_t)(1 + effects->space->ops[op].type * EFFECTS_TAGS + tag);
}

static uint32_t first_op_feature(const struct effects *effects)
{
	return (uint32_t)(1 + effects->space->capability.type_count * EFFECTS_TAGS);
}

void loss_model_init(struct linear *model, const struct effects *effects)
{
	uint32_t ops = first_op_feature(effects);
	size_t options = ops + effects->op_count;

	linear_init(model, options + effects->option_count);
	for (size_t f = 0; f < model->feature_count; f++) {
		model->groups[f] = f == 0        ? GROUP_COMMON
				   : f < ops     ? GROUP_TAG
				   : f < options ? GROUP_OP
						 : GROUP_OPTION;
	}
	model->variances[GROUP_COMMON] = 0.16;
	model->variances[GROUP_TAG] = 0.25;
	model->variances[GROUP_OP] = 0.7;
	model->variances[GROUP_OPTION] = 0.3;
	model->noise = 0.03;
	model->proportional = proportional_noise;
}

double loss_model_row(const struct effects *effects, const uint16_t *options,
		      struct linear_row *ret)
{
	size_t tag_cells = effects->space->capability.type_count * EFFECTS_TAGS;
	double *tags = mem_new(tag_cells, sizeof(*tags));
	uint32_t ops = first_op_feature(effects);
	double expected = 0;

	for (size_t i = 0; i < effects->op_count; i++) {
		uint32_t o = effects->first[i] + options[i];
		double loss = effects->losses[o];

		if (loss == 0) {
			continue;
		}
		expected += loss;
		linear_row_add(ret, ops + (uint32_t)i, loss);
		linear_row_add(ret, ops + (uint32_t)effects->op_count + o, loss);
		for (uint32_t left = effects->tags[o]; left != 0; left &= left - 1) {
			tags[tag_feature(effects, i, (size_t)__builtin_ctz(left)) - 1] += loss;
		}
	}
	linear_row_add(ret, 0, expected);
	for (size_t t = 0; t < tag_cells; t++) {
		if (tags[t] != 0) {
			linear_row_add(ret, (uint32_t)t + 1, tags[t]);
		}
	}
	free(tags);
	return expected;
}

static void load(struct linear *model, const struct effects *effects, const struct measured *data,
		 size_t most)
{
	linear_clear(model);
	for (size_t i = data->count > most ? data->count - most : 0; i < data->count; i++) {
		struct linear_row row = {0};
		double expected = loss_model_row(effects, data->options[i], &row);

		linear_add(model, &row, data->values[i] - expected, data->values[i]);
	}
}

/* So that the first measurement that says something is as expected. */
static double scale_for(struct effects *effects, const struct measured *data, double exponent)
{
	effects_expect(effects, exponent, 1);
	for (size_t i = 0; i < data->count; i++) {
		double expected = effects_loss(effects, data->options[i]);

		if (expected > 0) {
			return fmax(data->values[i], 0.2) / expected;
		}
	}
	return 1;
}

static void forget_beliefs(struct linear *model, const struct effects *effects)
{
	uint32_t first = first_op_feature(effects);

	for (size_t i = 0; i < effects->op_count; i++) {
		linear_believe(model, first + (uint32_t)i, 0, 1);
	}
}

/* From logarithms of evidence to probabilities. */
static void weigh_noises(const double *evidence, size_t levels, double best, double *ret)
{
	double sum = 0;

	for (size_t i = 0; i < levels; i++) {
		ret[i] = exp(evidence[i] - best);
		sum += ret[i];
	}
	for (size_t i = 0; i < levels; i++) {
		ret[i] /= sum;
	}
}

static void learn_all(struct linear *model, struct effects *effects, const struct measured *data,
		      double *ret_noises)
{
	static const double exponents[] = {1, 0.5, 0}, penalties[] = {0, 0.7, 1.5};
	static const double ops[] = {0.3, 0.7, 2, 6, 20}, options[] = {0.3, 0.7};
	size_t levels = loss_model_noises(effects);
	double of_noises[LOSS_NOISES], best = -INFINITY, chosen[4] = {1, 0.7, 0.3, 0.03};

	for (size_t k = 0; k < levels; k++) {
		of_noises[k] = -INFINITY;
	}
	forget_beliefs(model, effects);
	for (int e = 0; e < (effects->scored || effects->learnt ? 3 : 1); e++) {
		effects_expect(effects, exponents[e], scale_for(effects, data, exponents[e]));
		load(model, effects, data, effects_learnt_rows(effects));
		for (size_t i = 0; i < 10 * levels; i++) {
			double evidence;

			model->variances[GROUP_OP] = ops[i % 5];
			model->variances[GROUP_OPTION] = options[i / 5 % 2];
			model->noise = loss_model_noise(effects, i / 10);
			linear_try(model);
			evidence = linear_evidence(model) - penalties[e];
			of_noises[i / 10] = fmax(of_noises[i / 10], evidence);
			if (evidence > best) {
				best = evidence;
				chosen[0] = exponents[e];
				chosen[1] = model->variances[GROUP_OP];
				chosen[2] = model->variances[GROUP_OPTION];
				chosen[3] = model->noise;
			}
		}
	}
	effects_expect(effects, chosen[0], scale_for(effects, data, chosen[0]));
	model->variances[GROUP_OP] = chosen[1];
	model->variances[GROUP_OPTION] = chosen[2];
	model->noise = chosen[3];
	if (ret_noises != NULL) {
		weigh_noises(of_noises, levels, best, ret_noises);
	}
	load(model, effects, data, effects_learnt_rows(effects));
	lognormal_believe(model, first_op_feature(effects), effects->op_count,
			  model->variances[GROUP_OP]);
}

void loss_model_fit(struct linear *model, struct effects *effects, const struct measured *data,
		    bool learn, double *ret_noises)
{
	if (learn) {
		learn_all(model, effects, data, ret_noises);
	}
	load(model, effects, data, effects_most_rows(effects));
	linear_fit(model);
}

double loss_model_difference(const struct linear *model, const struct effects *effects, size_t op,
			     uint16_t a, uint16_t b)
{
	const double *losses = &effects->losses[effects->first[op]];
	double difference = losses[a] - losses[b];

	return (1 + model->variances[GROUP_OP]) * difference * difference;
}

double loss_model_option(const struct effects *effects, size_t op, uint32_t option,
			 struct linear_row *ret)
{
	uint32_t ops = first_op_feature(effects), o = effects->first[op] + option;
	double loss = effects->losses[o];

	if (loss == 0) {
		return 0;
	}
	linear_row_add(ret, 0, loss);
	linear_row_add(ret, ops + (uint32_t)op, loss);
	linear_row_add(ret, ops + (uint32_t)effects->op_count + o, loss);
	for (uint32_t left = effects->tags[o]; left != 0; left &= left - 1) {
		linear_row_add(ret, tag_feature(effects, op, (size_t)__builtin_ctz(left)), loss);
	}
	return loss;
}

void loss_model_shares(const struct effects *effects, const double *weights, double *ret)
{
	for (size_t i = 0; i < effects->op_count; i++) {
		for (uint32_t o = effects->first[i]; o < effects->first[i + 1]; o++) {
			ret[o] = 1;
			for (uint32_t left = effects->tags[o]; left != 0; left &= left - 1) {
				ret[o] += weights[tag_feature(effects, i,
							      (size_t)__builtin_ctz(left))];
			}
		}
	}
}

void loss_model_options(const struct effects *effects, const double *weights, double *ret)
{
	uint32_t ops = first_op_feature(effects);

	loss_model_shares(effects, weights, ret);
	for (size_t i = 0; i < effects->op_count; i++) {
		for (uint32_t o = effects->first[i]; o < effects->first[i + 1]; o++) {
			double more = weights[0] + weights[ops + i] +
				      weights[ops + effects->op_count + o];

			ret[o] = effects->losses[o] * (ret[o] + more);
		}
	}
}
