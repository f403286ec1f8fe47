/*
 * The op-wise product: every combination of the operators' options in their default mode, times
 * the calibration sizes. Precisions are not in it.
 *
 * Numbered in mixed radix: the calibration size is the slowest digit, the last operator the
 * fastest (strategies.md 3.1), and number 0 is the default. Memory is linear in the operators.
 */
#ifndef NARROWD_STRATEGIES_PRODUCT_H
#define NARROWD_STRATEGIES_PRODUCT_H

#include <stdint.h>

#include "base/rng.h"
#include "strategies/config.h"
#include "strategies/space.h"

struct product {
	const struct space *space; /* borrowed */
	uint32_t *dimensions;      /* those with more than one choice, the slowest first */
	uint16_t *choices;         /* how many each of them has */
	size_t dimension_count;
	uint64_t size; /* UINT64_MAX when there are more */
};

void product_init(struct product *product, const struct space *space);
void product_finish(struct product *product);
/* Config number `number` < size; the caller destroys it. */
struct config *product_at(const struct product *product, uint64_t number);
/* One uniform choice for each dimension, drawn in order; the caller destroys it. */
struct config *product_draw(const struct product *product, struct rng *rng);

#endif
