/* Makes what is known of scores another, and leaves the rest of a space as it is. */
#include "space/rescored.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The same but for scores. */
static void copy_entries(const struct fact_list *from, struct fact_list *to)
{
	if (from->count == 0) {
		return;
	}
	to->entries = mem_grow(to->entries, to->count + from->count, sizeof(*to->entries));
	for (size_t i = 0; i < from->count; i++) {
		to->entries[to->count] = from->entries[i];
		to->entries[to->count++].values[FACT_SCORE] = NAN;
	}
}

/* Those of what was told come first, and what the operator's own list says beside scores stands behind them. */
static void add_told(const struct capability *old, struct rescore *scores, struct capability *made)
{
	uint32_t place = 0;

	for (size_t i = 0; i < scores->count; i++) {
		struct rescore_op *told = &scores->ops[i];
		struct fact_list *list = &made->facts[place];
		uint32_t own = old->ops[told->op].own_facts;

		if (told->entries.count == 0) {
			continue;
		}
		*list = told->entries;
		told->entries = (struct fact_list){NULL, 0};
		if (own > 0) {
			copy_entries(&old->facts[own - 1], list);
		}
		made->ops[told->op].own_facts = ++place;
	}
}

static void move(uint32_t *place, size_t by)
{
	*place += *place > 0 ? (uint32_t)by : 0;
}

/* Behind `by` others. */
static void add_old(const struct capability *old, size_t by, struct capability *made)
{
	for (size_t l = 0; l < old->fact_count; l++) {
		copy_entries(&old->facts[l], &made->facts[by + l]);
	}
	for (size_t m = 0; m < old->op_count; m++) {
		move(&made->ops[m].own_facts, by);
		move(&made->ops[m].type_facts, by);
		move(&made->ops[m].learnt_facts, by);
	}
	made->told_count = by + old->told_count;
	made->fact_count = by + old->fact_count;
}

static double *shorthands(const struct rescore *scores, size_t count)
{
	double *table = NULL;

	for (size_t i = 0; i < scores->count; i++) {
		const struct rescore_op *told = &scores->ops[i];

		if (isnan(told->number)) {
			continue;
		}
		if (table == NULL) {
			table = mem_new(count * MODE_COUNT, sizeof(*table));
			for (size_t k = 0; k < count * MODE_COUNT; k++) {
				table[k] = NAN;
			}
		}
		for (enum mode mode = 0; mode_is_quantized(mode); mode++) {
			table[told->op * MODE_COUNT + mode] = told->number;
		}
	}
	return table;
}

struct space *rescored_create(const struct space *space, struct rescore *scores)
{
	const struct capability *old = &space->capability;
	struct space *told = mem_new(1, sizeof(*told));
	struct capability *made = &told->capability;
	size_t count = 0;

	*told = *space;
	made->ops = mem_new(old->op_count, sizeof(*made->ops));
	memcpy(made->ops, old->ops, old->op_count * sizeof(*made->ops));
	for (size_t i = 0; i < scores->count; i++) {
		count += scores->ops[i].entries.count > 0;
	}
	made->facts = mem_new(count + old->fact_count, sizeof(*made->facts));
	add_old(old, count, made);
	add_told(old, scores, made);
	made->score = shorthands(scores, old->op_count);
	return told;
}

void rescored_destroy(struct space *space)
{
	if (space == NULL) {
		return;
	}
	for (size_t l = 0; l < space->capability.fact_count; l++) {
		free(space->capability.facts[l].entries);
	}
	free(space->capability.facts);
	free(space->capability.ops);
	free(space->capability.score);
	free(space);
}

void rescore_destroy(struct rescore *scores)
{
	if (scores == NULL) {
		return;
	}
	for (size_t i = 0; i < scores->count; i++) {
		free(scores->ops[i].entries.entries);
	}
	free(scores->ops);
	free(scores);
}
