/*
 * The op-wise product: every combination of the operators' options in their default mode, times
 * the calibration sizes, the alphas of smooth quant and the options that are uniform. Precisions and
 * other modes are in the full product only.
 *
 * Numbered in mixed radix: the calibration size is the slowest digit, then the alpha, then what is
 * uniform, the last
 * operator is the fastest (docs/inc.md, "Op-wise"), and number 0 is the default. Memory is linear in the operators.
 */
#ifndef NARROWD_SPACE_PRODUCT_H
#define NARROWD_SPACE_PRODUCT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "space/bans.h"
#include "space/config.h"
#include "space/space.h"

struct product {
	const struct space *space; /* borrowed */
	uint32_t *dimensions;      /* those with more than one choice, the slowest first */
	uint16_t *choices;         /* how many each of them has */
	size_t dimension_count;
	uint64_t size; /* UINT64_MAX when there are more */
	/* What operators cannot be in, borrowed, or NULL. Digits stay what they are, and configs have what stands
	 * in instead, also where that lies outside of the product. */
	const struct bans *bans;
};

void product_init(struct product *product, const struct space *space);
/* With every choice of every operator: fallback to high precision too. */
void product_init_full(struct product *product, const struct space *space);
void product_finish(struct product *product);
/* How many configs there are, without those that are the same for what stands in; `size` without bans. */
uint64_t product_count(const struct product *product);
/* Config number `number` < product_count(); the caller destroys it. */
struct config *product_at(const struct product *product, uint64_t number);
/* One uniform choice for each dimension, drawn in order; the caller destroys it. */
struct config *product_draw(const struct product *product, struct rng *rng);

/* The config with these digits, one for each dimension of the product; the caller destroys it. */
struct config *product_config(const struct product *product, const uint16_t *digits);
/* Writes the config's digits; false when it does not lie in the product. */
bool product_digits(const struct product *product, const struct config *config,
		    uint16_t *ret_digits);

#endif
