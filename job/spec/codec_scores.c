/* Reads scores that were made elsewhere, in the form of what a capability knows beforehand. */
#include "job/spec/codec_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "job/spec/codec_config.h"
#include "job/spec/codec_facts.h"

static const double largest = 1e12;

/* Where entries are read to: their atoms are those of the space, as far as it has them. */
static void begin(const struct space *space, struct capability *scratch)
{
	const struct atoms *atoms = &space->capability.atoms;

	capability_init(scratch);
	for (size_t i = 0; i < atoms->count; i++) {
		(void)atoms_intern(&scratch->atoms, atoms->list[i].text, atoms->list[i].number);
	}
}

/* Of costs the capability knows best. */
static void want_scores(const struct json_at *at)
{
	static const char *const members[] = {"when", "score", NULL};

	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);
		struct json_at score = json_member(&item, "score");

		if (json_is_object(item.value)) {
			json_only(&item, members);
			(void)json_required(&score);
		}
	}
}

static void read_entries(const struct json_at *at, struct capability *scratch,
			 struct fact_list *ret)
{
	uint32_t place;

	if (json_array_size(at->value) == 0) {
		(void)json_fault(at, "a number, or a list of at least one entry is expected");
		return;
	}
	place = codec_facts_read(at, scratch);
	if (place > 0) {
		*ret = scratch->facts[place - 1];
		scratch->facts[place - 1] = (struct fact_list){NULL, 0};
		want_scores(at);
	}
}

static void read_all(const struct space *space, const struct json_at *at, struct rescore *scores)
{
	struct capability scratch;
	struct rescore_op *told;
	struct map ops;
	const char *name;
	json_t *value;

	begin(space, &scratch);
	codec_ops_init(&ops, space);
	json_object_foreach(at->value, name, value) {
		struct json_at member = json_member(at, name);
		intptr_t op = map_get(&ops, name, -1);

		if (op < 0) {
			(void)json_fault(&member, "the space has no operator of this name");
			continue;
		}
		told = &scores->ops[scores->count++];
		*told = (struct rescore_op){.op = (uint32_t)op, .number = NAN};
		if (json_is_number(value)) {
			told->number = json_real_in(&member, 0, -largest, largest);
		} else if (json_required(&member)) {
			read_entries(&member, &scratch, &told->entries);
		}
	}
	map_finish(&ops);
	capability_finish(&scratch);
}

struct rescore *codec_scores_read(const struct space *space, const struct json_at *at)
{
	size_t faults = at->err->fault_count;
	struct rescore *scores;

	if (!json_required(at) || !json_is_object_at(at)) {
		return NULL;
	}
	if (json_object_size(at->value) == 0) {
		(void)json_fault(at, "at least one operator is needed");
		return NULL;
	}
	scores = mem_new(1, sizeof(*scores));
	scores->ops = mem_new(json_object_size(at->value), sizeof(*scores->ops));
	read_all(space, at, scores);
	if (at->err->fault_count == faults) {
		return scores;
	}
	rescore_destroy(scores);
	return NULL;
}
