/*
 * A hash map from text to a pointer or a number, for names that clients choose.
 *
 * A random seed per process lets no client choose names that collide. Slots are in the order in which their names came,
 * so that what goes through them does the same in every process; a removed name leaves a hole.
 */
#ifndef NARROWD_BASE_MAP_H
#define NARROWD_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
	char *key; /* owned; NULL in a hole, and where nothing came yet */
	uint64_t hash;
	intptr_t value;
};

struct map {
	struct map_slot *slots;
	size_t capacity;  /* of slots: 0 or a power of two */
	size_t used;      /* slots from the first one, holes among them */
	size_t count;     /* names */
	uint32_t *places; /* the number of a slot, from 1, or 0 */
};

void map_init(struct map *map);
void map_finish(struct map *map);
/* Adds or replaces. */
void map_set(struct map *map, const char *key, intptr_t value);
intptr_t map_get(const struct map *map, const char *key, intptr_t fallback);
void map_remove(struct map *map, const char *key);

#endif
