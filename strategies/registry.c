#include "strategies/registry.h"

#include <ctype.h>
#include <string.h>

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

/* Letters in lower case and digits: what spellings have in common. */
static void plain(const char *name, char *ret)
{
	size_t length = 0;

	for (; *name != '\0' && length < REGISTRY_NAME_MAX; name++) {
		if (isalnum((unsigned char)*name)) {
			ret[length++] = (char)tolower((unsigned char)*name);
		}
	}
	ret[length] = '\0';
}

/* Levenshtein's distance. */
static size_t distance(const char *a, const char *b)
{
	size_t row[REGISTRY_NAME_MAX + 1];
	size_t width = strlen(b);

	for (size_t k = 0; k <= width; k++) {
		row[k] = k;
	}
	for (size_t i = 1; a[i - 1] != '\0'; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t k = 1; k <= width; k++) {
			size_t change = corner + (a[i - 1] != b[k - 1]);
			size_t less = row[k] < row[k - 1] ? row[k] : row[k - 1];

			corner = row[k];
			row[k] = change < less + 1 ? change : less + 1;
		}
	}
	return row[width];
}

const char *strategy_like(const char *name)
{
	static const struct {
		const char *inc, *name;
	} levels[] = {{"o0", "conservative"}, {"o1", "basic"}};
	char wanted[REGISTRY_NAME_MAX + 1], known[REGISTRY_NAME_MAX + 1];
	const char *best = NULL;
	size_t least = 3; /* more typing errors than two are another name */

	plain(name, wanted);
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(wanted, levels[i].inc) == 0) {
			return levels[i].name;
		}
	}
	for (size_t i = 0; strategies[i] != NULL && strlen(wanted) > 2; i++) {
		size_t apart;

		plain(strategies[i]->name, known);
		apart = strstr(known, wanted) != NULL ? strcmp(known, wanted) != 0
						      : distance(wanted, known);
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
