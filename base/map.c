/* Names in the order in which they came, and a table of open addressing that says where each one is. */
#include "base/map.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/rng.h"

/* Half of the places are free. */
enum { LEAST_SLOTS = 8, PLACES_A_SLOT = 2 };

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
	for (size_t i = 0; i < map->used; i++) {
		free(map->slots[i].key);
	}
	free(map->slots);
	free(map->places);
	memset(map, 0, sizeof(*map));
}

static size_t next_place(const struct map *map, size_t place)
{
	return (place + 1) & (PLACES_A_SLOT * map->capacity - 1);
}

/* The place of `key`, or the free one where it would go. */
static size_t find(const struct map *map, const char *key, uint64_t hash)
{
	size_t place = (size_t)hash & (PLACES_A_SLOT * map->capacity - 1);

	while (map->places[place] != 0) {
		const struct map_slot *slot = &map->slots[map->places[place] - 1];

		if (slot->hash == hash && strcmp(slot->key, key) == 0) {
			break;
		}
		place = next_place(map, place);
	}
	return place;
}

/* Where a slot is to be found whose key no place leads to yet. */
static void add_place(struct map *map, size_t slot)
{
	size_t place = (size_t)map->slots[slot].hash & (PLACES_A_SLOT * map->capacity - 1);

	while (map->places[place] != 0) {
		place = next_place(map, place);
	}
	map->places[place] = (uint32_t)slot + 1;
}

/* Makes room at the end: closes the holes of what was removed, in twice as many slots unless they are half. */
static void make_room(struct map *map)
{
	size_t holes = map->used - map->count, end = map->used;

	if (2 * holes <= map->capacity) {
		map->capacity = map->capacity > 0 ? 2 * map->capacity : LEAST_SLOTS;
		map->slots = mem_grow(map->slots, map->capacity, sizeof(*map->slots));
		memset(&map->slots[end], 0, (map->capacity - end) * sizeof(*map->slots));
	}
	free(map->places);
	map->places = mem_new(PLACES_A_SLOT * map->capacity, sizeof(*map->places));
	map->used = 0;
	for (size_t i = 0; i < end; i++) {
		struct map_slot slot = map->slots[i];

		map->slots[i].key = NULL;
		if (slot.key != NULL) {
			map->slots[map->used] = slot;
			add_place(map, map->used++);
		}
	}
}

void map_set(struct map *map, const char *key, intptr_t value)
{
	uint64_t hash = hash_of(key);
	size_t place;

	if (map->used == map->capacity) {
		make_room(map);
	}
	place = find(map, key, hash);
	if (map->places[place] == 0) {
		map->slots[map->used] = (struct map_slot){.key = mem_dup(key), .hash = hash};
		map->places[place] = (uint32_t)++map->used;
		map->count++;
	}
	map->slots[map->places[place] - 1].value = value;
}

intptr_t map_get(const struct map *map, const char *key, intptr_t fallback)
{
	size_t place;

	if (map->count == 0) {
		return fallback;
	}
	place = find(map, key, hash_of(key));
	return map->places[place] != 0 ? map->slots[map->places[place] - 1].value : fallback;
}

void map_remove(struct map *map, const char *key)
{
	size_t place;

	if (map->count == 0) {
		return;
	}
	place = find(map, key, hash_of(key));
	if (map->places[place] == 0) {
		return;
	}
	free(map->slots[map->places[place] - 1].key);
	map->slots[map->places[place] - 1].key = NULL;
	map->places[place] = 0;
	map->count--;
	/* What probed past the freed place must be placed again. */
	while (map->places[place = next_place(map, place)] != 0) {
		size_t slot = map->places[place] - 1;

		map->places[place] = 0;
		add_place(map, slot);
	}
}
