/* Chooses configs that could prove a satisfied model wrong. */
#include "strategies/models/last_tests.h"

#include <stdlib.h>

#include "base/mem.h"
#include "strategies/models/promise.h"

enum {
	MORE_TESTS = 3, /* of each kind, besides one for each halving */
	STARTS = 8,     /* of the rival */
};

static size_t halvings(size_t count)
{
	size_t ret = 1;

	while (count > 1) {
		count /= 2;
		ret++;
	}
	return ret;
}

size_t last_tests_count(const struct effects *effects)
{
	return 2 * (halvings(effects->op_count) + MORE_TESTS);
}

/* NULL when it was asked. */
static struct config *new_config(const struct beliefs *beliefs, const uint16_t *options)
{
	struct config *config = effects_config(&beliefs->effects, options);

	if (config_set_has(&beliefs->trials.seen, config)) {
		config_destroy(config);
		return NULL;
	}
	return config;
}

/* The operators whose default lowers what the options keep higher; their number. */
static size_t list_higher(const struct effects *effects, const uint16_t *options, uint32_t *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < effects->op_count; i++) {
		uint32_t first = effects->first[i];

		if (effects->classes[first + options[i]] > effects->classes[first]) {
			ret[count++] = (uint32_t)i;
		}
	}
	return count;
}

static struct config *lower_group(const struct beliefs *beliefs, size_t number, struct rng *rng)
{
	const struct effects *effects = &beliefs->effects;
	uint16_t *options = mem_new(effects->space->dimension_count, sizeof(*options));
	uint32_t *higher = mem_new(effects->op_count, sizeof(*higher));
	struct config *config = NULL;
	size_t count, size;

	effects_options(effects, beliefs->trials.list[beliefs->incumbent].config, options);
	count = list_higher(effects, options, higher);
	size = (count >> (1 + number % halvings(count))) + 1;
	for (size_t i = 0; i < size && i < count; i++) {
		size_t pick = i + rng_below(rng, count - i);
		uint32_t op = higher[pick];

		higher[pick] = higher[i];
		options[op] = 0;
	}
	if (count > 0) {
		config = new_config(beliefs, options);
	}
	free(options);
	free(higher);
	return config;
}

static struct config *ask_rival(const struct beliefs *beliefs, struct rng *rng)
{
	const struct trials *trials = &beliefs->trials;
	const struct product *product = &trials->product;
	size_t width = product->dimension_count;
	uint16_t *digits = mem_new(width, sizeof(*digits));
	uint16_t *options = mem_new(product->space->dimension_count, sizeof(*options));
	struct config *config = NULL, *climbed;
	struct promise promise;

	promise_init(&promise, trials);
	for (size_t s = 0; s < STARTS && config == NULL; s++) {
		size_t from = s == 0 ? beliefs->incumbent : rng_below(rng, trials->count);

		for (size_t d = 0; d < width; d++) {
			digits[d] = trials_column(trials, d)[from];
		}
		promise_climb(&promise, digits, rng);
		climbed = product_config(product, digits);
		effects_options(&beliefs->effects, climbed, options);
		config = new_config(beliefs, options);
		config_destroy(climbed);
	}
	promise_finish(&promise);
	free(digits);
	free(options);
	return config;
}

struct config *last_tests_make(const struct beliefs *beliefs, size_t number, struct rng *rng,
			       const char **ret_stage)
{
	if (beliefs->incumbent == SIZE_MAX) {
		return NULL;
	}
	*ret_stage = number % 2 == 0 ? "group_test" : "rival";
	return number % 2 == 0 ? lower_group(beliefs, number / 2, rng) : ask_rival(beliefs, rng);
}
