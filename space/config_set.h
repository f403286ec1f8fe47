/*
 * A set of configs: what was asked already, so that nothing is asked twice.
 */
#ifndef NARROWD_SPACE_CONFIG_SET_H
#define NARROWD_SPACE_CONFIG_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/rng.h"
#include "space/config.h"
#include "space/product.h"

/* A hash table with open addressing. Empty when zeroed; borrows its configs. */
struct config_set {
	const struct config **slots;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
};

void config_set_finish(struct config_set *set);
void config_set_add(struct config_set *set, const struct config *config);
bool config_set_has(const struct config_set *set, const struct config *config);
/* A config of the product that is not in the set, drawn uniformly while that is quick; the caller
 * destroys it. NULL when the set holds all of them. */
struct config *config_set_draw_other(const struct config_set *set, const struct product *product,
				     struct rng *rng);

#endif
