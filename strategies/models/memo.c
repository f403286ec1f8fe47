/* A table in which a newer answer takes an older one's place. */
#include "strategies/models/memo.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { PLACES_MAX = 4096 };

void memo_init(struct memo *memo, size_t questions, size_t keys, size_t values)
{
	memo->keys = keys;
	memo->width = keys + values;
	memo->places = 1;
	while (memo->places < questions && memo->places < PLACES_MAX) {
		memo->places *= 2;
	}
	memo->numbers = mem_new(memo->places * memo->width, sizeof(*memo->numbers));
	memo->known = mem_new(memo->places, sizeof(*memo->known));
}

void memo_finish(struct memo *memo)
{
	free(memo->numbers);
	free(memo->known);
}

/* FNV-1a by words; its high bits are the ones that depend on all. */
static size_t place_of(const struct memo *memo, const double *keys)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325), word;

	for (size_t i = 0; i < memo->keys; i++) {
		memcpy(&word, &keys[i], sizeof(word));
		hash = (hash ^ word ^ word >> 32) * UINT64_C(0x100000001b3);
		hash ^= hash >> 29;
	}
	return (size_t)(hash ^ hash >> 32) & (memo->places - 1);
}

double *memo_answer(struct memo *memo, const double *keys, bool *ret_known)
{
	size_t place = place_of(memo, keys);
	double *numbers = &memo->numbers[place * memo->width];
	size_t bytes = memo->keys * sizeof(*keys);

	*ret_known = memo->known[place] && memcmp(numbers, keys, bytes) == 0;
	if (!*ret_known) {
		memcpy(numbers, keys, bytes);
		memo->known[place] = true;
	}
	return &numbers[memo->keys];
}
