/* Makes configs from choices and compares them. */
#include "space/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

static struct config *with_room(size_t count)
{
	struct config *config = mem_new(1, sizeof(*config) + count * sizeof(struct config_change));

	config->count = count;
	return config;
}

bool config_uses(const struct config *config, const struct space *space, enum mode mode)
{
	size_t i = 0;

	for (size_t op = 0; op < space->op_count; op++) {
		bool changed = i < config->count && config->changes[i].dimension == op;
		uint16_t choice = changed ? config->changes[i++].choice : 0;

		if (space_kind(space, op)->choices[choice].mode == mode) {
			return true;
		}
	}
	return false;
}

/* What no operator uses is as in the default: configs that mean the same are equal. */
static void drop_idle(struct config *config, const struct space *space)
{
	size_t first = space->dimension_count - space->uniform_count;
	size_t kept = config->count;

	while (kept > 0 && config->changes[kept - 1].dimension >= first) {
		kept--;
	}
	for (size_t i = kept; i < config->count; i++) {
		size_t extra = config->changes[i].dimension - space->op_count;

		if (config_uses(config, space, space->extras[extra].mode)) {
			config->changes[kept++] = config->changes[i];
		}
	}
	config->count = kept;
}

/* A sum of mixed terms does not depend on the order of dimensions. */
static void set_hash(struct config *config)
{
	config->hash = 0;
	for (size_t i = 0; i < config->count; i++) {
		config->hash += rng_mix(((uint64_t)config->changes[i].dimension << 16) +
					config->changes[i].choice);
	}
}

struct config *config_create(const struct space *space, const uint16_t *choices)
{
	struct config *config;
	size_t count = 0;

	for (size_t d = 0; d < space->dimension_count; d++) {
		count += choices[d] != 0;
	}
	config = with_room(count);
	count = 0;
	for (size_t d = 0; d < space->dimension_count; d++) {
		if (choices[d] != 0) {
			config->changes[count++] = (struct config_change){(uint32_t)d, choices[d]};
		}
	}
	drop_idle(config, space);
	set_hash(config);
	return config;
}

static int by_dimension(const void *a, const void *b)
{
	const struct config_change *x = a;
	const struct config_change *y = b;

	return (x->dimension > y->dimension) - (x->dimension < y->dimension);
}

/* The log has them in order; people may not. */
static void sort(struct config_change *changes, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (changes[i - 1].dimension > changes[i].dimension) {
			qsort(changes, count, sizeof(*changes), by_dimension);
			return;
		}
	}
}

struct config *config_from_changes(const struct space *space, const struct config_change *changes,
				   size_t count)
{
	struct config *config = with_room(count);

	if (count > 0) {
		memcpy(config->changes, changes, count * sizeof(*changes));
		sort(config->changes, count);
	}
	for (size_t i = 0; i < count; i++) {
		const struct config_change *c = &config->changes[i];

		if (c->dimension >= space->dimension_count || c->choice == 0 ||
		    c->choice >= space_choices(space, c->dimension) ||
		    (i > 0 && c[-1].dimension == c->dimension)) {
			config_destroy(config);
			return NULL;
		}
	}
	drop_idle(config, space);
	set_hash(config);
	return config;
}

struct config *config_copy(const struct config *config)
{
	struct config *copy = with_room(config->count);

	memcpy(copy, config, sizeof(*config) + config->count * sizeof(struct config_change));
	return copy;
}

void config_destroy(struct config *config)
{
	free(config);
}

bool config_equal(const struct config *a, const struct config *b)
{
	if (a->hash != b->hash || a->count != b->count) {
		return false;
	}
	for (size_t i = 0; i < a->count; i++) {
		if (a->changes[i].dimension != b->changes[i].dimension ||
		    a->changes[i].choice != b->changes[i].choice) {
			return false;
		}
	}
	return true;
}

void config_expand(const struct config *config, const struct space *space, uint16_t *ret_choices)
{
	memset(ret_choices, 0, space->dimension_count * sizeof(*ret_choices));
	for (size_t i = 0; i < config->count; i++) {
		ret_choices[config->changes[i].dimension] = config->changes[i].choice;
	}
}

uint16_t config_choice(const struct config *config, size_t dimension)
{
	size_t low = 0, high = config->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (config->changes[middle].dimension < dimension) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low < config->count && config->changes[low].dimension == dimension
		       ? config->changes[low].choice
		       : 0;
}

size_t config_fallbacks(const struct config *config, const struct space *space)
{
	size_t count = 0;

	for (size_t i = 0; i < config->count; i++) {
		const struct config_change *c = &config->changes[i];
		const struct kind *kind;

		if (c->dimension >= space->op_count) {
			break;
		}
		kind = space_kind(space, c->dimension);
		count += mode_is_quantized(kind->choices[0].mode) &&
			 !mode_is_quantized(kind->choices[c->choice].mode);
	}
	return count;
}

bool config_is_baseline(const struct config *config, const struct space *space)
{
	size_t i = 0;

	for (size_t op = 0; op < space->op_count; op++) {
		bool changed = i < config->count && config->changes[i].dimension == op;
		uint16_t choice = changed ? config->changes[i++].choice : 0;

		if (space_kind(space, op)->choices[choice].mode != MODE_FP32) {
			return false;
		}
	}
	return true;
}
