/* Chooses who goes back to high precision while nothing meets the criterion. */
#include "strategies/models/fall_back.h"

#include <stdlib.h>

#include "base/mem.h"
#include "strategies/models/loss_model.h"

enum {
	LATE_AFTER = 4, /* trials without a feasible one */
	MOST_DOUBLINGS = 20,
};

struct sensitive {
	double loss;
	uint32_t op;
};

static int by_loss(const void *a, const void *b)
{
	const struct sensitive *x = a, *y = b;

	if (x->loss != y->loss) {
		return x->loss > y->loss ? -1 : 1;
	}
	return (x->op > y->op) - (x->op < y->op);
}

struct config *fall_back_config(const struct effects *effects, const struct linear *loss,
				size_t count)
{
	struct sensitive *list = mem_new(effects->op_count, sizeof(*list));
	double *losses = mem_new(effects->option_count, sizeof(*losses));
	uint16_t *options = mem_new(effects->op_count, sizeof(*options));
	struct config *config;

	loss_model_options(effects, loss->weights, losses);
	for (size_t i = 0; i < effects->op_count; i++) {
		list[i] = (struct sensitive){losses[effects->first[i]], (uint32_t)i};
	}
	qsort(list, effects->op_count, sizeof(*list), by_loss);
	for (size_t i = 0; i < count && i < effects->op_count; i++) {
		uint32_t op = list[i].op;

		options[op] = (uint16_t)(effects->first[op + 1] - effects->first[op] - 1);
	}
	config = effects_config(effects, options);
	free(list);
	free(losses);
	free(options);
	return config;
}

struct config *fall_back_late(const struct beliefs *beliefs, size_t told, bool met)
{
	size_t late = told >= LATE_AFTER ? told - LATE_AFTER : 1;
	struct config *config;

	if (met || late % 2 != 0 || late / 2 > MOST_DOUBLINGS) {
		return NULL;
	}
	config = fall_back_config(&beliefs->effects, &beliefs->loss, (size_t)1 << (late / 2));
	if (config_set_has(&beliefs->trials.seen, config)) {
		config_destroy(config);
		config = NULL;
	}
	return config;
}
