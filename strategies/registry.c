#include "strategies/registry.h"

#include <string.h>

const struct strategy_ops *const strategies[] = {
	&basic_strategy,
	&exhaustive_strategy,
	&random_strategy,
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
