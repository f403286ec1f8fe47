#include "strategies/product.h"

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

void product_init(struct product *product, const struct space *space)
{
	product->space = space;
	product->dimensions = mem_new(space->op_count + 1, sizeof(*product->dimensions));
	product->choices = mem_new(space->op_count + 1, sizeof(*product->choices));
	product->dimension_count = 0;
	product->size = 1;
	add_dimension(product, space_size_dimension(space), space_sizes(space));
	for (size_t op = 0; op < space->op_count; op++) {
		add_dimension(product, op, space_kind(space, op)->defaults);
	}
}

void product_finish(struct product *product)
{
	free(product->dimensions);
	free(product->choices);
}

/* Takes over `digits`, one for each dimension of the product. */
static struct config *config_of(const struct product *product, uint16_t *digits)
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
	free(digits);
	return config;
}

struct config *product_at(const struct product *product, uint64_t number)
{
	uint16_t *digits = mem_new(product->dimension_count, sizeof(*digits));

	for (size_t i = product->dimension_count; i-- > 0;) {
		digits[i] = (uint16_t)(number % product->choices[i]);
		number /= product->choices[i];
	}
	return config_of(product, digits);
}

struct config *product_draw(const struct product *product, struct rng *rng)
{
	uint16_t *digits = mem_new(product->dimension_count, sizeof(*digits));

	for (size_t i = 0; i < product->dimension_count; i++) {
		digits[i] = (uint16_t)rng_below(rng, product->choices[i]);
	}
	return config_of(product, digits);
}
