/* Keeps a capability: atoms, sets of modes, facts. */
#include "space/capability.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "space/space.h"

const char *const mode_names[] = {
	[MODE_STATIC] = "static", [MODE_DYNAMIC] = "dynamic", [MODE_WEIGHT_ONLY] = "weight_only",
	[MODE_BF16] = "bf16",     [MODE_FP16] = "fp16",       [MODE_FP32] = "fp32",
	[MODE_COUNT] = NULL,
};

const struct item_name item_names[ITEM_COUNT] = {
	[ITEM_ACTIVATION_SCHEME] = {false, "scheme"},
	[ITEM_ACTIVATION_ALGORITHM] = {false, "algorithm"},
	[ITEM_ACTIVATION_GRANULARITY] = {false, "granularity"},
	[ITEM_ACTIVATION_COMPUTE_DTYPE] = {false, "compute_dtype"},
	[ITEM_WEIGHT_SCHEME] = {true, "scheme"},
	[ITEM_WEIGHT_ALGORITHM] = {true, "algorithm"},
	[ITEM_WEIGHT_GRANULARITY] = {true, "granularity"},
	[ITEM_WEIGHT_BITS] = {true, "bits"},
	[ITEM_WEIGHT_GROUP_SIZE] = {true, "group_size"},
	[ITEM_WEIGHT_DTYPE] = {true, "dtype"},
	[ITEM_ACTIVATION_DTYPE] = {false, "dtype"},
};

void atoms_init(struct atoms *atoms)
{
	memset(atoms, 0, sizeof(*atoms));
	map_init(&atoms->by_text);
}

void atoms_finish(struct atoms *atoms)
{
	for (size_t i = 0; i < atoms->count; i++) {
		free(atoms->list[i].text);
	}
	free(atoms->list);
	map_finish(&atoms->by_text);
}

uint16_t atoms_intern(struct atoms *atoms, const char *text, bool number)
{
	uint16_t atom = atoms_find(atoms, text);

	if (atom != 0 || atoms->count >= UINT16_MAX - 1) {
		return atom;
	}
	atoms->list = mem_grow(atoms->list, atoms->count + 1, sizeof(*atoms->list));
	atoms->list[atoms->count++] = (struct atom){.text = mem_dup(text), .number = number};
	map_set(&atoms->by_text, text, (intptr_t)atoms->count);
	return (uint16_t)atoms->count;
}

uint16_t atoms_find(const struct atoms *atoms, const char *text)
{
	return (uint16_t)map_get(&atoms->by_text, text, 0);
}

void capability_init(struct capability *capability)
{
	memset(capability, 0, sizeof(*capability));
	atoms_init(&capability->atoms);
}

void mode_set_finish(struct mode_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		for (int item = 0; item < ITEM_COUNT; item++) {
			free(set->descriptions[i].items[item].atoms);
		}
	}
	free(set->descriptions);
}

static void op_lists_finish(struct op_list *lists, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(lists[i].name);
		free(lists[i].ops);
	}
	free(lists);
}

static bool fits(const struct fact_entry *entry, const struct choice *choice)
{
	for (enum item item = 0; item < ITEM_COUNT; item++) {
		if (entry->options[item] != 0 && entry->options[item] != choice->options[item]) {
			return false;
		}
	}
	return !entry->of_mode || entry->mode == choice->mode;
}

static double find_fact(const struct capability *capability, uint32_t list, enum fact fact,
			const struct choice *choice)
{
	const struct fact_list *facts = list > 0 ? &capability->facts[list - 1] : NULL;

	for (size_t i = 0; facts != NULL && i < facts->count; i++) {
		if (!isnan(facts->entries[i].values[fact]) && fits(&facts->entries[i], choice)) {
			return facts->entries[i].values[fact];
		}
	}
	return NAN;
}

double capability_fact(const struct capability *capability, enum fact fact, size_t op,
		       const struct choice *choice)
{
	const double *const shorthands[FACT_COUNT] = {
		[FACT_LATENCY_MS] = capability->latency_ms, [FACT_SCORE] = capability->score};
	const struct capability_op *of = &capability->ops[op];
	double value = find_fact(capability, of->own_facts, fact, choice);

	if (isnan(value) && shorthands[fact] != NULL) {
		value = shorthands[fact][op * MODE_COUNT + choice->mode];
	}
	value = isnan(value) ? find_fact(capability, of->type_facts, fact, choice) : value;
	return isnan(value) ? find_fact(capability, of->learnt_facts, fact, choice) : value;
}

static bool any_says(const struct fact_list *lists, size_t count, enum fact fact)
{
	for (size_t l = 0; l < count; l++) {
		for (size_t i = 0; i < lists[l].count; i++) {
			if (!isnan(lists[l].entries[i].values[fact])) {
				return true;
			}
		}
	}
	return false;
}

bool capability_has_entries(const struct capability *capability, enum fact fact)
{
	return any_says(capability->facts, capability->told_count, fact);
}

bool capability_tells(const struct capability *capability, enum fact fact)
{
	return (fact == FACT_LATENCY_MS && capability->latency_ms != NULL) ||
	       (fact == FACT_SCORE && capability->score != NULL) ||
	       capability_has_entries(capability, fact);
}

bool capability_learnt(const struct capability *capability, enum fact fact)
{
	size_t told = capability->told_count;

	return any_says(capability->facts + told, capability->fact_count - told, fact);
}

void capability_finish(struct capability *capability)
{
	for (size_t i = 0; i < capability->type_count; i++) {
		free(capability->types[i]);
	}
	for (size_t i = 0; i < capability->set_count; i++) {
		mode_set_finish(&capability->sets[i]);
	}
	for (size_t i = 0; i < capability->op_count; i++) {
		free(capability->ops[i].name);
	}
	op_lists_finish(capability->blocks, capability->block_count);
	op_lists_finish(capability->recipes, capability->recipe_count);
	op_lists_finish(capability->tied, capability->tied_count);
	for (size_t i = 0; i < capability->uniform_count; i++) {
		free(capability->uniform[i].pointer);
	}
	free(capability->uniform);
	free(capability->types);
	free(capability->sets);
	free(capability->ops);
	for (size_t i = 0; i < capability->fact_count; i++) {
		free(capability->facts[i].entries);
	}
	free(capability->facts);
	free(capability->latency_ms);
	free(capability->score);
	free(capability->calibration_sizes);
	atoms_finish(&capability->atoms);
	memset(capability, 0, sizeof(*capability));
}
