/* A table of configs by their hashes, and draws of what is not in it. */
#include "space/config_set.h"

#include <stdlib.h>

#include "base/mem.h"

/* So many draws in vain mean that most of the product was asked, so a scan soon finds the rest. */
enum { DRAWS = 64 };

void config_set_finish(struct config_set *set)
{
	free(set->slots);
}

/* Where the config is, or the free slot where it would go. */
static const struct config **find(const struct config_set *set, const struct config *config)
{
	size_t i = (size_t)config->hash & (set->capacity - 1);

	while (set->slots[i] != NULL && !config_equal(set->slots[i], config)) {
		i = (i + 1) & (set->capacity - 1);
	}
	return &set->slots[i];
}

static void grow(struct config_set *set)
{
	const struct config **old = set->slots;
	size_t old_capacity = set->capacity;

	set->capacity = old_capacity > 0 ? old_capacity * 2 : 64;
	set->slots = mem_new(set->capacity, sizeof(*set->slots));
	for (size_t i = 0; i < old_capacity; i++) {
		if (old[i] != NULL) {
			*find(set, old[i]) = old[i];
		}
	}
	free(old);
}

void config_set_add(struct config_set *set, const struct config *config)
{
	const struct config **slot;

	if (set->count * 2 >= set->capacity) {
		grow(set);
	}
	slot = find(set, config);
	set->count += *slot == NULL;
	*slot = config;
}

bool config_set_has(const struct config_set *set, const struct config *config)
{
	return set->capacity > 0 && *find(set, config) != NULL;
}

static struct config *scan(const struct config_set *set, const struct product *product,
			   struct rng *rng)
{
	uint64_t size = product_count(product);
	uint64_t first = rng_below(rng, size);

	for (uint64_t i = 0; i < size; i++) {
		struct config *config = product_at(product, (first + i) % size);

		if (!config_set_has(set, config)) {
			return config;
		}
		config_destroy(config);
	}
	return NULL;
}

struct config *config_set_draw_other(const struct config_set *set, const struct product *product,
				     struct rng *rng)
{
	for (int i = 0; i < DRAWS; i++) {
		struct config *config = product_draw(product, rng);

		if (!config_set_has(set, config)) {
			return config;
		}
		config_destroy(config);
	}
	return scan(set, product, rng);
}
