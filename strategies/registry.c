/* The list of strategies, and what a plug-in's must have to be added to it. */
#include "strategies/registry.h"

#include <ctype.h>
#include <string.h>

#include "base/spell.h"

/* What plug-ins bring stands behind the built-in ones, and is only written at start-up. */
const struct strategy_ops *strategies[REGISTRY_MAX + 1] = {
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
};

static size_t added;

const struct strategy_ops *strategy_find(const char *name)
{
	for (size_t i = 0; strategies[i] != NULL; i++) {
		if (strcmp(strategies[i]->name, name) == 0) {
			return strategies[i];
		}
	}
	return NULL;
}

const char *strategy_like(const char *name)
{
	static const struct {
		const char *inc, *name;
	} levels[] = {{"o0", "conservative"}, {"o1", "basic"}};
	const char *best = NULL;
	size_t least = SPELL_OTHER;

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (spell_apart(name, levels[i].inc) == 0) {
			return levels[i].name;
		}
	}
	for (size_t i = 0; strategies[i] != NULL; i++) {
		size_t apart = spell_apart(name, strategies[i]->name);

		if (apart < least) {
			least = apart;
			best = strategies[i]->name;
		}
	}
	return best;
}

static size_t count_all(void)
{
	size_t count = 0;

	while (strategies[count] != NULL) {
		count++;
	}
	return count;
}

bool registry_is_added(const struct strategy_ops *ops)
{
	size_t count = count_all();

	for (size_t i = count - added; i < count; i++) {
		if (strategies[i] == ops) {
			return true;
		}
	}
	return false;
}

static bool has_good_name(const struct strategy_ops *ops)
{
	size_t length = ops->name != NULL ? strlen(ops->name) : 0;

	return length > 0 && length <= REGISTRY_NAME_MAX &&
	       strspn(ops->name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

static bool has_good_params(const struct strategy_ops *ops)
{
	size_t i = 0;

	while (ops->params != NULL && ops->params[i].name != NULL) {
		if (i == STRATEGY_PARAMS_MAX || ops->params[i].help == NULL) {
			return false;
		}
		i++;
	}
	return true;
}

static bool is_complete(const struct strategy_ops *ops)
{
	return ops->version > 0 && ops->summary != NULL && ops->when != NULL &&
	       ops->state_size != NULL && ops->init != NULL && ops->apply != NULL &&
	       ops->next != NULL && ops->adviser == ADVISER_NONE;
}

int registry_add(const struct strategy_ops *ops, struct err *reterr)
{
	size_t count = count_all();

	if (ops->abi != STRATEGY_ABI) {
		return err_set(reterr, ERR_CONFIG,
			       "it is made for version %u of the interface of strategies, and this "
			       "is version %d: build it again with this narrowd's headers",
			       ops->abi, STRATEGY_ABI);
	}
	if (!has_good_name(ops)) {
		return err_set(reterr, ERR_CONFIG,
			       "the name of a strategy is 1 to %d of a-z, 0-9 and _",
			       REGISTRY_NAME_MAX);
	}
	if (!is_complete(ops)) {
		return err_set(
			reterr, ERR_CONFIG,
			"the strategy %s lacks a member that it must have, or has an adviser",
			ops->name);
	}
	if (!has_good_params(ops)) {
		return err_set(reterr, ERR_CONFIG,
			       "the strategy %s has a parameter without help, or more than %d",
			       ops->name, STRATEGY_PARAMS_MAX);
	}
	if (strategy_find(ops->name) != NULL) {
		return err_set(reterr, ERR_CONFIG, "there is a strategy %s already", ops->name);
	}
	if (count == REGISTRY_MAX) {
		return err_set(reterr, ERR_CONFIG, "there are %d strategies already", REGISTRY_MAX);
	}
	strategies[count] = ops;
	added++;
	return 0;
}
