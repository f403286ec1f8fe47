/* Numbers the configs of the op-wise product, and makes the config of a number. */
#include "space/product.h"

#include <stdlib.h>

#include "base/mem.h"

static void add_dimension(struct product *product, size_t dimension, uint16_t choices)
{
	if (choices <= 1) {
		return;
	}
	product->dimensions[product->dimension_count] = (uint32_t)dimension;
	product->choices[product->dimension_count++] = choices;
	if (__builtin_mul_overflow(product->size, (uint64_t)choices, &product->size)) {
		product->size = UINT64_MAX;
	}
}

static void init(struct product *product, const struct space *space, bool full)
{
	product->space = space;
	product->bans = NULL;
	product->dimensions = mem_new(space->dimension_count, sizeof(*product->dimensions));
	product->choices = mem_new(space->dimension_count, sizeof(*product->choices));
	product->dimension_count = 0;
	product->size = 1;
	add_dimension(product, space_size_dimension(space), space_sizes(space));
	add_dimension(product, space->op_count + 1, space_alphas(space));
	for (size_t i = space->extra_count - space->uniform_count; i < space->extra_count; i++) {
		if (full || space_defaults_to(space, space->extras[i].mode)) {
			add_dimension(product, space->op_count + i, space->extras[i].count);
		}
	}
	for (size_t op = 0; op < space->op_count; op++) {
		const struct kind *kind = space_kind(space, op);

		add_dimension(product, op, full ? kind->count : kind->defaults);
	}
}

void product_init(struct product *product, const struct space *space)
{
	init(product, space, false);
}

void product_init_full(struct product *product, const struct space *space)
{
	init(product, space, true);
}

void product_finish(struct product *product)
{
	free(product->dimensions);
	free(product->choices);
}

struct config *product_config(const struct product *product, const uint16_t *digits)
{
	const struct space *space = product->space;
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));
	struct config *config;

	for (size_t i = 0; i < product->dimension_count; i++) {
		choices[product->dimensions[i]] = digits[i];
	}
	if (product->bans != NULL) {
		bans_apply(product->bans, space, choices);
	}
	config = config_create(space, choices);
	free(choices);
	return config;
}

/* NULL when the operator can be in the mode of the choice. */
static const struct ban *find_ban(const struct product *product, size_t op, uint16_t choice)
{
	enum mode mode = space_kind(product->space, op)->choices[choice].mode;

	return product->bans != NULL ? bans_find(product->bans, op, mode) : NULL;
}

/* Whether a choice stands in for the operator's default. */
static bool stands_in(const struct product *product, size_t dimension, uint16_t choice)
{
	const struct ban *ban =
		dimension < product->space->op_count ? find_ban(product, dimension, 0) : NULL;

	return ban != NULL && ban->instead == choice;
}

bool product_digits(const struct product *product, const struct config *config,
		    uint16_t *ret_digits)
{
	const struct space *space = product->space;
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));
	bool inside = true;

	config_expand(config, space, choices);
	for (size_t i = 0; i < product->dimension_count; i++) {
		uint16_t *choice = &choices[product->dimensions[i]];

		ret_digits[i] = *choice < product->choices[i] ? *choice : 0;
		*choice -= ret_digits[i];
	}
	for (size_t d = 0; d < space->dimension_count && inside; d++) {
		inside = choices[d] == 0 || stands_in(product, d, choices[d]);
	}
	free(choices);
	return inside;
}

/* The digits that make different configs, in order; their number. */
static uint16_t list_digits(const struct product *product, size_t i, uint16_t *ret)
{
	uint32_t dimension = product->dimensions[i];
	bool of_op = dimension < product->space->op_count;
	uint16_t count = 0;

	for (uint16_t digit = 0; digit < product->choices[i]; digit++) {
		if (!of_op || find_ban(product, dimension, digit) == NULL) {
			ret[count++] = digit;
		}
	}
	if (count == 0) {
		ret[count++] = 0;
	}
	return count;
}

uint64_t product_count(const struct product *product)
{
	uint64_t count = 1;

	if (product->bans == NULL || product->bans->count == 0) {
		return product->size;
	}
	for (size_t i = 0; i < product->dimension_count; i++) {
		uint16_t *digits = mem_new(product->choices[i], sizeof(*digits));

		if (__builtin_mul_overflow(count, (uint64_t)list_digits(product, i, digits),
					   &count)) {
			count = UINT64_MAX;
		}
		free(digits);
	}
	return count;
}

struct config *product_at(const struct product *product, uint64_t number)
{
	uint16_t *digits = mem_new(product->dimension_count, sizeof(*digits));
	struct config *config;

	for (size_t i = product->dimension_count; i-- > 0;) {
		uint16_t *list = mem_new(product->choices[i], sizeof(*list));
		uint16_t count = list_digits(product, i, list);

		digits[i] = list[number % count];
		number /= count;
		free(list);
	}
	config = product_config(product, digits);
	free(digits);
	return config;
}

struct config *product_draw(const struct product *product, struct rng *rng)
{
	uint16_t *digits = mem_new(product->dimension_count, sizeof(*digits));
	struct config *config;

	for (size_t i = 0; i < product->dimension_count; i++) {
		digits[i] = (uint16_t)rng_below(rng, product->choices[i]);
	}
	config = product_config(product, digits);
	free(digits);
	return config;
}
