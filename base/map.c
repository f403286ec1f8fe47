/* A table of open addressing, seeded so that clients cannot make names collide. */
#include "base/map.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/rng.h"

static uint64_t seed;
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		abort();
	}
}

static uint64_t hash_of(const char *key)
{
	uint64_t hash = seed;

	for (; *key != '\0'; key++) {
		hash = (hash ^ (unsigned char)*key) * UINT64_C(0x100000001B3);
	}
	return rng_mix(hash);
}

void map_init(struct map *map)
{
	(void)pthread_once(&seeded, make_seed);
	memset(map, 0, sizeof(*map));
}

void map_finish(struct map *map)
{
	for (size_t i = 0; i < map->capacity; i++) {
		free(map->slots[i].key);
	}
	free(map->slots);
	memset(map, 0, sizeof(*map));
}

/* The slot of `key`, or the free one where it would go. */
static struct map_slot *find(const struct map *map, const char *key, uint64_t hash)
{
	size_t i = (size_t)hash & (map->capacity - 1);

	while (map->slots[i].key != NULL &&
	       (map->slots[i].hash != hash || strcmp(map->slots[i].key, key) != 0)) {
		i = (i + 1) & (map->capacity - 1);
	}
	return &map->slots[i];
}

static void grow(struct map *map)
{
	struct map old = *map;

	map->capacity = old.capacity > 0 ? old.capacity * 2 : 16;
	map->slots = mem_new(map->capacity, sizeof(*map->slots));
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.slots[i].key != NULL) {
			*find(map, old.slots[i].key, old.slots[i].hash) = old.slots[i];
		}
	}
	free(old.slots);
}

void map_set(struct map *map, const char *key, intptr_t value)
{
	struct map_slot *slot;
	uint64_t hash = hash_of(key);

	if (map->count * 2 >= map->capacity) {
		grow(map);
	}
	slot = find(map, key, hash);
	if (slot->key == NULL) {
		slot->key = mem_dup(key);
		slot->hash = hash;
		map->count++;
	}
	slot->value = value;
}

intptr_t map_get(const struct map *map, const char *key, intptr_t fallback)
{
	struct map_slot *slot;

	if (map->count == 0) {
		return fallback;
	}
	slot = find(map, key, hash_of(key));
	return slot->key != NULL ? slot->value : fallback;
}

void map_remove(struct map *map, const char *key)
{
	struct map_slot *slot;
	size_t i;

	if (map->count == 0) {
		return;
	}
	slot = find(map, key, hash_of(key));
	if (slot->key == NULL) {
		return;
	}
	free(slot->key);
	slot->key = NULL;
	map->count--;
	/* What probed past the freed slot must be placed again. */
	i = (size_t)(slot - map->slots);
	while (map->slots[i = (i + 1) & (map->capacity - 1)].key != NULL) {
		struct map_slot moved = map->slots[i];

		map->slots[i].key = NULL;
		*find(map, moved.key, moved.hash) = moved;
	}
}
