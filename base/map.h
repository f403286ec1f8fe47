/*
 * A hash map from text to a pointer or a number, for names that clients choose.
 *
 * Open addressing with a random seed per process, so that no client can choose colliding names.
 * Iteration order is not defined: never let it decide anything.
 */
#ifndef NARROWD_BASE_MAP_H
#define NARROWD_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
	char *key; /* owned; NULL when the slot is free */
	uint64_t hash;
	intptr_t value;
};

struct map {
	struct map_slot *slots;
	size_t capacity; /* a power of two */
	size_t count;
};

void map_init(struct map *map);
void map_finish(struct map *map);
/* Adds or replaces. */
void map_set(struct map *map, const char *key, intptr_t value);
intptr_t map_get(const struct map *map, const char *key, intptr_t fallback);
void map_remove(struct map *map, const char *key);

#endif
