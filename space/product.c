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
	struct config_change *changes = mem_new(product->dimension_count, sizeof(*changes));
	struct config *config;
	size_t count = 0;

	for (size_t i = 0; i < product->dimension_count; i++) {
		if (digits[i] != 0) {
			changes[count++] =
				(struct config_change){product->dimensions[i], digits[i]};
		}
	}
	config = config_from_changes(product->space, changes, count);
	free(changes);
	return config;
}

bool product_digits(const struct product *product, const struct config *config,
		    uint16_t *ret_digits)
{
	size_t found = 0;

	for (size_t i = 0; i < product->dimension_count; i++) {
		ret_digits[i] = config_choice(config, product->dimensions[i]);
		if (ret_digits[i] >= product->choices[i]) {
			return false;
		}
		found += ret_digits[i] != 0;
	}
	return found == config->count;
}

struct config *product_at(const struct product *product, uint64_t number)
{
	uint16_t *digits = mem_new(product->dimension_count, sizeof(*digits));
	struct config *config;

	for (size_t i = product->dimension_count; i-- > 0;) {
		digits[i] = (uint16_t)(number % product->choices[i]);
		number /= product->choices[i];
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
