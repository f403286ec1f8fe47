/*
 * A config: one choice for every dimension of a space, kept as what differs from the default.
 *
 * Immutable once created. Equality and hash work on indexes only.
 */
#ifndef NARROWD_SPACE_CONFIG_H
#define NARROWD_SPACE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "space/space.h"

struct config_change {
	uint32_t dimension;
	uint16_t choice;
};

struct config {
	uint64_t hash;
	size_t count;
	struct config_change changes[]; /* by dimension, ascending; none has choice 0 */
};

/* From a full vector of space->dimension_count choices. In both, uniform options of modes that no
 * operator is in are as in the default. */
struct config *config_create(const struct space *space, const uint16_t *choices);
/* From changes in any order: NULL when one is outside of the space or repeated. */
struct config *config_from_changes(const struct space *space, const struct config_change *changes,
				   size_t count);
struct config *config_copy(const struct config *config);
void config_destroy(struct config *config);
bool config_equal(const struct config *a, const struct config *b);
/* Writes the full vector. */
void config_expand(const struct config *config, const struct space *space, uint16_t *ret_choices);
uint16_t config_choice(const struct config *config, size_t dimension);
/* Whether an operator is in this mode. */
bool config_uses(const struct config *config, const struct space *space, enum mode mode);
/* How many quantizable operators are in high precision: what ties are broken by. */
size_t config_fallbacks(const struct config *config, const struct space *space);
/* Whether every operator is in fp32: that is the baseline, whatever its size and alpha. */
bool config_is_baseline(const struct config *config, const struct space *space);

#endif
