#include "strategies/registry.h"

#include <string.h>

const struct strategy_ops *const strategies[] = {
	&auto_strategy,
	&conservative_strategy,
	&basic_strategy,
	&mse_strategy,
	&mse_v2_strategy,
	&hawq_v2_strategy,
	&auto_mixed_precision_strategy,
	&exhaustive_strategy,
	&random_strategy,
	&tpe_strategy,
	&bayesian_strategy,
	&bisect_strategy,
	&remote_strategy,
	&sigopt_strategy,
	&knapsack_strategy,
	&sgp_strategy,
	NULL,
};

const struct strategy_ops *strategy_find(const char *name)
{
	for (size_t i = 0; strategies[i] != NULL; i++) {
		if (strcmp(strategies[i]->name, name) == 0) {
			return strategies[i];
		}
	}
	return NULL;
}
