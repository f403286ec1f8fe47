/* Finds operators that are alike, by a table of what they have. */
#include "strategies/models/alike.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static uint64_t mix(uint64_t hash, const void *bytes, size_t length)
{
	const unsigned char *at = bytes;
	uint64_t word;

	for (size_t i = 0; i + sizeof(word) <= length; i += sizeof(word)) {
		memcpy(&word, &at[i], sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
		hash ^= hash >> 29;
	}
	return hash;
}

/* Of the most that distinguishes operators; the comparison looks at all. */
static uint64_t hash_of(const struct effects *e, const struct alike_facts *facts, size_t op)
{
	uint64_t hash = e->space->ops[op].kind, choice;

	hash = mix(hash, &e->losses[e->first[op]],
		   (e->first[op + 1] - e->first[op]) * sizeof(*e->losses));
	for (size_t i = 0; i < facts->count; i++) {
		choice = facts->options[i][op];
		hash = mix(hash, &choice, sizeof(choice));
	}
	return hash;
}

/* Bits are compared, since what is not known is no number. */
static bool same(const double *numbers, size_t a, size_t b, size_t count)
{
	return memcmp(&numbers[a], &numbers[b], count * sizeof(*numbers)) == 0;
}

static bool is_alike(const struct effects *e, const struct alike_facts *facts, size_t a, size_t b)
{
	const struct space_op *x = &e->space->ops[a], *y = &e->space->ops[b];
	uint32_t p = e->first[a], q = e->first[b], options = e->first[a + 1] - p;

	if (x->kind != y->kind || x->type != y->type || !same(e->shares, a, b, 1) ||
	    !same(e->losses, p, q, options) || !same(e->latencies, p, q, options) ||
	    !same(facts->scores, a, b, 1) ||
	    (facts->option_scores != NULL && !same(facts->option_scores, p, q, options))) {
		return false;
	}
	for (size_t i = 0; i < facts->count; i++) {
		if (facts->options[i][a] != facts->options[i][b]) {
			return false;
		}
	}
	return true;
}

uint32_t *alike_find(const struct effects *effects, const struct alike_facts *facts)
{
	uint32_t *alike = mem_new(effects->op_count, sizeof(*alike));
	uint32_t *table; /* operators, from 1; half of the places are free */
	size_t places = 1;

	while (places < 2 * effects->op_count) {
		places *= 2;
	}
	table = mem_new(places, sizeof(*table));
	for (size_t i = 0; i < effects->op_count; i++) {
		size_t place = (size_t)hash_of(effects, facts, i) & (places - 1);

		while (table[place] != 0 && !is_alike(effects, facts, table[place] - 1, i)) {
			place = (place + 1) & (places - 1);
		}
		table[place] = table[place] != 0 ? table[place] : (uint32_t)i + 1;
		alike[i] = table[place] - 1;
	}
	free(table);
	return alike;
}
