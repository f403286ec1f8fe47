/* Makes rows for the models from the configs that were measured. */
#include "strategies/rows.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

/* What measurements are read by. */
struct source {
	const struct effects *effects;
	const struct problem *problem;
	double baseline; /* objective */
};

uint16_t *rows_options(const struct effects *effects, const struct config *config)
{
	uint16_t *options = mem_new(effects->space->dimension_count, sizeof(*options));

	effects_options(effects, config, options);
	return options;
}

static void add(struct rows *rows, const struct source *source, const struct config *config,
		double margin, double objective)
{
	rows->options[rows->count] = rows_options(source->effects, config);
	rows->losses[rows->count] = effects_measured_loss(source->problem->criterion, margin);
	if (!isnan(objective)) {
		rows->timed[rows->timed_count] = rows->options[rows->count];
		rows->latencies[rows->timed_count++] =
			objective_relative(source->problem->objective, objective, source->baseline);
	}
	rows->count++;
}

void rows_init(struct rows *rows, const struct trials *trials, const struct effects *effects,
	       const struct problem *problem, const struct alphas *alphas)
{
	const struct source source = {effects, problem, trials->baseline_objective};
	size_t most = trials->count + trials->repeat_count;

	*rows = (struct rows){.options = mem_new(most, sizeof(uint16_t *)),
			      .timed = mem_new(most, sizeof(uint16_t *)),
			      .losses = mem_new(most, sizeof(double)),
			      .latencies = mem_new(most, sizeof(double))};
	for (size_t i = 0; i < trials->count; i++) {
		const struct known *trial = &trials->list[i];

		/* What another alpha costs is no operator's. */
		if (trial->state == KNOWN_TOLD && !alphas_differ(alphas, trial)) {
			add(rows, &source, trial->config, trial->first_margin,
			    trial->first_objective);
		}
	}
	for (size_t i = 0; i < trials->repeat_count; i++) {
		const struct repeat *repeat = &trials->repeats[i];

		if (repeat->told) {
			add(rows, &source, trials->list[repeat->index].config, repeat->margin,
			    repeat->objective);
		}
	}
}

void rows_finish(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		free(rows->options[i]);
	}
	free(rows->options);
	free(rows->timed);
	free(rows->losses);
	free(rows->latencies);
}
