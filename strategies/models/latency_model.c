/* Fits what operators and borders between precisions take of the latency. */
#include "strategies/models/latency_model.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
	GROUP_CLASS,
	GROUP_TYPE,
	GROUP_OP,
	GROUP_TAG,
	GROUP_BORDERS,
	GROUP_BORDER,
	GROUP_COARSE,
	CLASSES = CLASS_FP32, /* fp32 is what gains are against */
};

/* Where the features of each group start. */
struct layout {
	uint32_t types, ops, tags, borders, border, end;
};

static struct layout layout_of(const struct effects *effects)
{
	struct layout l = {.types = CLASSES};

	l.ops = l.types + (uint32_t)effects->space->capability.type_count * CLASSES;
	l.tags = l.ops + (uint32_t)effects->op_count * CLASSES;
	l.borders = l.tags + EFFECTS_TAGS;
	l.border = l.borders + 1;
	l.end = l.border + (uint32_t)effects->op_count;
	return l;
}

bool latency_model_knows(const struct effects *effects, size_t op, uint32_t option)
{
	struct choice choice;

	if (!effects->paced || effects->timed) {
		return effects->timed;
	}
	choice = space_resolve(effects->space, op, (uint16_t)(option - effects->first[op]), NULL);
	return space_fact(effects->space, effects->cost, op, &choice) >= 0;
}

void latency_model_init(struct linear *model, const struct effects *effects)
{
	struct layout l = layout_of(effects);
	const uint32_t starts[] = {0, l.types, l.ops, l.tags, l.borders, l.border, l.end};

	linear_init(model, l.end);
	for (uint8_t g = 0; g < 6; g++) {
		for (uint32_t f = starts[g]; f < starts[g + 1]; f++) {
			model->groups[f] = g;
		}
	}
	model->variances[GROUP_CLASS] = effects->timed ? 0.01 : 0.25;
	model->variances[GROUP_TYPE] = effects->timed ? 0.01 : 1;
	model->variances[GROUP_OP] = effects->timed ? 0.01 : 0.5;
	for (size_t t = 0; t < EFFECTS_TAGS; t++) {
		model->groups[l.tags + t] =
			effects_tag_is_coarse(effects, t) ? GROUP_COARSE : GROUP_TAG;
	}
	model->variances[GROUP_TAG] = 0.0025;
	model->variances[GROUP_COARSE] = 0.04;
	model->variances[GROUP_BORDERS] = 0.1;
	model->variances[GROUP_BORDER] = 0.1;
	model->noise = 0.005;
}

static bool is_border(const struct effects *effects, const uint16_t *options, size_t i)
{
	return i + 1 < effects->op_count &&
	       effects->classes[effects->first[i] + options[i]] !=
		       effects->classes[effects->first[i + 1] + options[i + 1]];
}

static void add_sums(struct linear_row *row, const double *sums, uint32_t first, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (sums[i] != 0) {
			linear_row_add(row, first + (uint32_t)i, sums[i]);
		}
	}
}

double latency_model_row(const struct effects *effects, const uint16_t *options,
			 struct linear_row *ret)
{
	struct layout l = layout_of(effects);
	double *types = mem_new(l.ops, sizeof(*types));
	double tags[EFFECTS_TAGS] = {0}, unit = 1 / (double)effects->op_count, borders = 0;
	double expected = 0;

	for (size_t i = 0; i < effects->op_count; i++) {
		uint32_t o = effects->first[i] + options[i];
		uint8_t c = effects->classes[o];
		double share = effects->shares[i];

		expected += effects->latencies[o];
		if (c != CLASS_FP32) {
			double gains = share * effects->paces[o];

			types[c] += gains;
			types[l.types + effects->space->ops[i].type * CLASSES + c] += gains;
			linear_row_add(ret, l.ops + (uint32_t)i * CLASSES + c, gains);
		}
		for (uint32_t left = effects->tags[o]; left != 0; left &= left - 1) {
			tags[__builtin_ctz(left)] += share;
		}
		if (is_border(effects, options, i)) {
			linear_row_add(ret, l.border + (uint32_t)i, unit);
			borders += unit;
		}
	}
	add_sums(ret, types, 0, l.ops);
	add_sums(ret, tags, l.tags, EFFECTS_TAGS);
	add_sums(ret, &borders, l.borders, 1);
	free(types);
	return expected;
}

static void load(struct linear *model, const struct effects *effects, const struct measured *data,
		 size_t most)
{
	linear_clear(model);
	for (size_t i = data->count > most ? data->count - most : 0; i < data->count; i++) {
		struct linear_row row = {0};
		double expected = latency_model_row(effects, data->options[i], &row);

		linear_add(model, &row, data->values[i] - expected, 1);
	}
}

static void learn_all(struct linear *model, const struct effects *effects,
		      const struct measured *data)
{
	static const double ops[] = {0.1, 0.5, 2}, borders[] = {0.01, 0.1, 1};
	static const double noises[] = {0.002, 0.01, 0.03};
	double best = -INFINITY, chosen[3] = {0.5, 0.1, 0.005};

	load(model, effects, data, effects_learnt_rows(effects));
	for (int i = 0; i < 27; i++) {
		model->variances[GROUP_OP] = ops[i % 3] * (effects->timed ? 0.02 : 1);
		model->variances[GROUP_BORDER] = borders[i / 3 % 3];
		model->variances[GROUP_BORDERS] = borders[i / 3 % 3];
		model->noise = noises[i / 9];
		linear_try(model);
		if (linear_evidence(model) > best) {
			best = linear_evidence(model);
			chosen[0] = model->variances[GROUP_OP];
			chosen[1] = model->variances[GROUP_BORDER];
			chosen[2] = model->noise;
		}
	}
	model->variances[GROUP_OP] = chosen[0];
	model->variances[GROUP_BORDER] = chosen[1];
	model->variances[GROUP_BORDERS] = chosen[1];
	model->noise = chosen[2];
}

void latency_model_fit(struct linear *model, const struct effects *effects,
		       const struct measured *data, bool learn, double noise)
{
	if (learn) {
		learn_all(model, effects, data);
	}
	if (!isnan(noise)) {
		model->noise = fmax(model->noise, noise);
	}
	load(model, effects, data, effects_most_rows(effects));
	linear_fit(model);
}

double latency_model_option(const struct effects *effects, size_t op, uint32_t option,
			    struct linear_row *ret)
{
	struct layout l = layout_of(effects);
	uint32_t o = effects->first[op] + option, last = effects->first[op + 1] - 1;
	uint8_t c = effects->classes[o];
	double share = effects->shares[op], gains = share * effects->paces[o];

	if (c != CLASS_FP32) {
		linear_row_add(ret, c, gains);
		linear_row_add(ret, l.types + effects->space->ops[op].type * CLASSES + c, gains);
		linear_row_add(ret, l.ops + (uint32_t)op * CLASSES + c, gains);
	}
	for (uint32_t left = effects->tags[o]; left != 0; left &= left - 1) {
		linear_row_add(ret, l.tags + (uint32_t)__builtin_ctz(left), share);
	}
	return effects->latencies[o] - effects->latencies[last];
}

void latency_model_options(const struct effects *effects, const double *weights, double *ret,
			   double *ret_borders)
{
	struct layout l = layout_of(effects);
	double unit = 1 / (double)effects->op_count;

	for (size_t i = 0; i < effects->op_count; i++) {
		uint32_t type = l.types + effects->space->ops[i].type * CLASSES;

		for (uint32_t o = effects->first[i]; o < effects->first[i + 1]; o++) {
			uint8_t c = effects->classes[o];
			double more = 0;

			if (c != CLASS_FP32) {
				more = effects->paces[o] * (weights[c] + weights[type + c] +
							    weights[l.ops + i * CLASSES + c]);
			}
			for (uint32_t left = effects->tags[o]; left != 0; left &= left - 1) {
				more += weights[l.tags + (uint32_t)__builtin_ctz(left)];
			}
			ret[o] = effects->latencies[o] + effects->shares[i] * more;
		}
		ret_borders[i] = unit * (weights[l.borders] + weights[l.border + i]);
	}
}
