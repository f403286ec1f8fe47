/* The table of names: what is in it, and in which order. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/map.h"
#include "base/rng.h"

Test(map, agrees_with_a_plain_array_under_random_operations)
{
	enum { KEYS = 200, STEPS = 20000, ABSENT = -1 };
	struct rng rng = rng_make(1, RNG_SEARCH, 0);
	intptr_t model[KEYS];
	struct map map;

	map_init(&map);
	for (int i = 0; i < KEYS; i++) {
		model[i] = ABSENT;
	}
	cr_assert_eq(map_get(&map, "nothing", ABSENT), ABSENT);
	map_remove(&map, "nothing");
	for (int step = 0; step < STEPS; step++) {
		size_t k = (size_t)rng_below(&rng, KEYS);
		char key[32];

		(void)snprintf(key, sizeof(key), "key-%zu", k);
		if (rng_below(&rng, 2) == 0) {
			map_set(&map, key, step);
			model[k] = step;
		} else {
			map_remove(&map, key);
			model[k] = ABSENT;
		}
		k = (size_t)rng_below(&rng, KEYS);
		(void)snprintf(key, sizeof(key), "key-%zu", k);
		cr_assert_eq(map_get(&map, key, ABSENT), model[k], "step %d, %s", step, key);
	}
	map_finish(&map);
	cr_assert_eq(map.count, 0);
}

/* Whatever was removed in between. */
Test(map, names_stay_in_the_order_in_which_they_came)
{
	enum { KEYS = 100 };
	size_t found = 0;
	struct map map;

	map_init(&map);
	for (int i = 0; i < KEYS; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "key-%d", i);
		map_set(&map, key, i);
		if (i % 3 == 2) {
			(void)snprintf(key, sizeof(key), "key-%d", i - 1);
			map_remove(&map, key);
		}
	}
	map_set(&map, "key-0", 0); /* it is there already */
	for (size_t i = 0; i < map.capacity; i++) {
		if (map.slots[i].key != NULL) {
			/* 0, 2, 3, 5, 6 ... */
			cr_expect_eq(map.slots[i].value, (intptr_t)(found * 3 + 1) / 2);
			found++;
		}
	}
	cr_expect_eq(found, map.count);
	cr_expect_eq(found, 67);
	map_finish(&map);
}
