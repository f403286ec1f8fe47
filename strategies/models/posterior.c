/* Fits the models to a job's measurements, for whoever wants to know what they say. */
#include "strategies/models/posterior.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/alike.h"
#include "strategies/models/effects.h"
#include "strategies/models/latency_model.h"
#include "strategies/models/loss_model.h"

typedef double option_fn(const struct effects *effects, size_t op, uint32_t option,
			 struct linear_row *ret);

/* Scores of all operators that can be quantized take the place of a guess. */
static void take_scores(struct effects *effects, const double *scores, const double *options)
{
	double *list = mem_new(effects->op_count, sizeof(*list));
	double *all = mem_new(effects->option_count, sizeof(*all));
	size_t count = 0, all_count = 0;
	bool complete = !effects->scored, each = options != NULL;

	for (size_t i = 0; i < effects->op_count; i++) {
		if (!mode_is_quantized(space_kind(effects->space, i)->choices[0].mode)) {
			continue;
		}
		complete = complete && !isnan(scores[i]);
		list[count++] = scores[i];
		for (uint32_t o = effects->first[i]; each && o < effects->first[i + 1]; o++) {
			each = !isnan(options[o]);
			all[all_count++] = options[o];
		}
	}
	if (complete) {
		effects_take_scores(effects, list, each ? all : NULL);
	}
	free(all);
	free(list);
}

/* The options are asked about in blocks, whose rows are used again. */
enum { BLOCK = 8192 };

struct block {
	const struct effects *effects;
	struct linear *model;
	struct belief *beliefs;  /* of all options */
	struct linear_row *rows; /* of those that are asked about */
	uint32_t *options;
	double *spreads;
	size_t count;
};

static void ask_block(struct block *block)
{
	linear_deviations(block->model, block->rows, block->count, block->spreads);
	for (size_t i = 0; i < block->count; i++) {
		block->beliefs[block->options[i]].spread =
			block->rows[i].count > 0 ? block->spreads[i] : 0;
	}
	block->count = 0;
}

static void ask_options(struct block *block, size_t op, option_fn *option)
{
	const struct effects *effects = block->effects;

	for (uint32_t o = effects->first[op]; o < effects->first[op + 1]; o++) {
		struct linear_row *row = &block->rows[block->count];

		row->count = 0;
		block->options[block->count++] = o;
		block->beliefs[o].mean = option(effects, op, o - effects->first[op], row) +
					 linear_mean(block->model, row);
		if (block->count == BLOCK) {
			ask_block(block);
		}
	}
}

/* The beliefs about all options one by one, from a model that is fitted. */
static struct belief *ask_model(const struct effects *effects, struct linear *model,
				option_fn *option, const uint32_t *alike)
{
	struct block block = {.effects = effects,
			      .model = model,
			      .beliefs = mem_new(effects->option_count, sizeof(*block.beliefs)),
			      .rows = mem_new(BLOCK, sizeof(*block.rows)),
			      .options = mem_new(BLOCK, sizeof(*block.options)),
			      .spreads = mem_new(BLOCK, sizeof(*block.spreads))};

	for (size_t op = 0; op < effects->op_count; op++) {
		if (alike[op] == op) {
			ask_options(&block, op, option);
		}
	}
	ask_block(&block);
	for (size_t op = 0; op < effects->op_count; op++) {
		memcpy(&block.beliefs[effects->first[op]],
		       &block.beliefs[effects->first[alike[op]]],
		       alike[op] == op ? 0
				       : (effects->first[op + 1] - effects->first[op]) *
						 sizeof(*block.beliefs));
	}
	for (size_t i = 0; i < BLOCK; i++) {
		linear_row_finish(&block.rows[i]);
	}
	free(block.rows);
	free(block.options);
	free(block.spreads);
	return block.beliefs;
}

static void learn_losses(struct posterior *posterior, struct effects *effects,
			 const struct measured *data, const struct alike_facts *facts)
{
	struct linear model;

	loss_model_init(&model, effects);
	loss_model_fit(&model, effects, data, true, NULL);
	posterior->alike = alike_find(effects, facts);
	posterior->losses = ask_model(effects, &model, loss_model_option, posterior->alike);
	posterior->loss_noise = model.noise;
	linear_finish(&model);
}

static void learn_latencies(struct posterior *posterior, const struct effects *effects,
			    const struct measured *data)
{
	struct linear model;

	latency_model_init(&model, effects);
	latency_model_fit(&model, effects, data, true, NAN);
	posterior->latencies = ask_model(effects, &model, latency_model_option, posterior->alike);
	linear_finish(&model);
}

struct posterior *posterior_create(const struct problem *problem, const double *scores,
				   const double *option_scores, const struct finding *findings,
				   size_t count)
{
	struct posterior *posterior = mem_new(1, sizeof(*posterior));
	uint16_t **options = mem_new(count, sizeof(*options));
	uint16_t **timed = mem_new(count, sizeof(*timed));
	double *losses = mem_new(count, sizeof(*losses));
	double *latencies = mem_new(count, sizeof(*latencies));
	size_t timed_count = 0;
	struct effects effects;

	effects_init(&effects, problem);
	take_scores(&effects, scores, option_scores);
	for (size_t i = 0; i < count; i++) {
		options[i] = mem_new(problem->space->dimension_count, sizeof(**options));
		effects_options(&effects, findings[i].config, options[i]);
		losses[i] = effects_measured_loss(problem->criterion, findings[i].margin);
		if (!isnan(findings[i].latency)) {
			timed[timed_count] = options[i];
			latencies[timed_count++] = findings[i].latency;
		}
	}
	learn_losses(posterior, &effects, &(struct measured){options, losses, count},
		     &(struct alike_facts){options, count, scores, option_scores});
	if (timed_count > 0) {
		learn_latencies(posterior, &effects,
				&(struct measured){timed, latencies, timed_count});
	}
	for (size_t i = 0; i < count; i++) {
		free(options[i]);
	}
	free(options);
	free(timed);
	free(losses);
	free(latencies);
	posterior->op_count = effects.op_count;
	posterior->first = effects.first;
	effects.first = NULL;
	effects_finish(&effects);
	return posterior;
}

void posterior_destroy(struct posterior *posterior)
{
	if (posterior == NULL) {
		return;
	}
	free(posterior->first);
	free(posterior->alike);
	free(posterior->losses);
	free(posterior->latencies);
	free(posterior);
}
