/* Reads capability documents, types and operators, and what they share. */
#include "job/spec/codec_capability.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "job/spec/codec_facts.h"
#include "job/spec/codec_learnt.h"
#include "job/spec/codec_modules.h"
#include "job/spec/codec_shared.h"

static const char *const capability_members[] = {
	"framework",
	"model",
	"op_types",
	"ops",
	"blocks",
	"modules",
	"tied",
	"uniform",
	"recipes_ops",
	"answers",
	"calibration_sampling_sizes",
	"metrics",
	NULL,
};
static const char *const op_members[] = {"name",  "type",  "modes", "latency_ms",
					 "score", "known", "shape", NULL};
static const char *const description_members[] = {"weight", "activation", NULL};

uint16_t codec_option_read(const struct json_at *at, struct atoms *atoms)
{
	char number[32];
	int64_t whole;

	if (json_whole(at->value, &whole)) {
		(void)snprintf(number, sizeof(number), "%lld", (long long)whole);
		return atoms_intern(atoms, number, true);
	}
	if (json_is_string(at->value)) {
		const char *text = json_string_in(at, NULL, LIMIT_NAME_BYTES);

		return text != NULL ? atoms_intern(atoms, text, false) : 0;
	}
	(void)json_fault(at, "an option must be a string or an integer");
	return 0;
}

static void add_option(const struct json_at *at, struct atoms *atoms, struct options *options)
{
	uint16_t atom = codec_option_read(at, atoms);

	for (size_t i = 0; i < options->count; i++) {
		if (options->atoms[i] == atom) {
			return;
		}
	}
	if (atom != 0) {
		options->atoms =
			mem_grow(options->atoms, options->count + 1, sizeof(*options->atoms));
		options->atoms[options->count++] = atom;
	}
}

static void read_options(const struct json_at *at, struct atoms *atoms, struct options *options)
{
	if (!json_is_array(at->value)) {
		add_option(at, atoms, options);
		return;
	}
	if (!json_is_array_at(at, LIMIT_OPTIONS_PER_ITEM)) {
		return;
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);

		add_option(&item, atoms, options);
	}
}

static int item_by_name(bool weight, const char *name)
{
	for (int item = 0; item < ITEM_COUNT; item++) {
		if (item_names[item].weight == weight && strcmp(item_names[item].name, name) == 0) {
			return item;
		}
	}
	return -1;
}

void codec_attribute_read(const struct json_at *at, bool weight, struct atoms *atoms,
			  struct options *items)
{
	const char *key;
	json_t *value;

	if (at->value == NULL || !json_is_object_at(at)) {
		return;
	}
	json_object_foreach(at->value, key, value) {
		struct json_at member = json_member(at, key);
		int item = item_by_name(weight, key);

		if (item < 0) {
			(void)json_fault(&member, "unknown item");
		} else if (member.value != NULL) {
			read_options(&member, atoms, &items[item]);
		}
	}
}

static void read_description(const struct json_at *at, enum mode mode, struct atoms *atoms,
			     struct mode_set *set)
{
	struct json_at weight = json_member(at, "weight");
	struct json_at activation = json_member(at, "activation");
	struct mode_description *d;

	if (!json_is_object_at(at)) {
		return;
	}
	json_only(at, description_members);
	set->descriptions = mem_grow(set->descriptions, set->count + 1, sizeof(*set->descriptions));
	d = &set->descriptions[set->count++];
	memset(d, 0, sizeof(*d));
	d->mode = mode;
	d->has_weight = weight.value != NULL;
	codec_attribute_read(&weight, true, atoms, d->items);
	codec_attribute_read(&activation, false, atoms, d->items);
}

/* An operator has weights only if every quantized description says so (docs/inc.md, "Weights of operators"). */
static void drop_partial_weights(struct mode_set *set)
{
	bool all = true;

	for (size_t i = 0; i < set->count; i++) {
		all = all && (set->descriptions[i].has_weight ||
			      !mode_is_quantized(set->descriptions[i].mode));
	}
	for (size_t i = 0; !all && i < set->count; i++) {
		struct mode_description *d = &set->descriptions[i];

		d->has_weight = false;
		for (int item = 0; item < ITEM_COUNT; item++) {
			d->items[item].count = item_names[item].weight ? 0 : d->items[item].count;
		}
	}
}

/* Those of a type have what is known of it beside them. */
static uint32_t read_modes(const struct json_at *at, bool of_type, struct capability *capability)
{
	struct mode_set set = {0};
	const char *key;
	json_t *value;

	if (json_is_object_at(at)) {
		json_object_foreach(at->value, key, value) {
			struct json_at member = json_member(at, key);
			int mode = 0;

			while (mode < MODE_COUNT && strcmp(mode_names[mode], key) != 0) {
				mode++;
			}
			if (mode == MODE_COUNT) {
				if (!of_type || strcmp(key, "known") != 0) {
					(void)json_fault(&member, "unknown mode");
				}
				continue;
			}
			if (!json_is_array(member.value)) {
				read_description(&member, mode, &capability->atoms, &set);
				continue;
			}
			for (size_t i = 0; i < json_array_size(member.value); i++) {
				struct json_at item = json_item(&member, i);

				read_description(&item, mode, &capability->atoms, &set);
			}
		}
	}
	drop_partial_weights(&set);
	capability->sets =
		mem_grow(capability->sets, capability->set_count + 1, sizeof(*capability->sets));
	capability->sets[capability->set_count] = set;
	return (uint32_t)capability->set_count++;
}

struct op_reader {
	struct capability *capability;
	struct map types;      /* type -> index + 1 */
	struct map type_sets;  /* type -> set + 1 */
	struct map type_facts; /* type -> list of facts + 1 */
	struct map names;      /* operator -> index + 1 */
	size_t op_room;        /* how many operators there will be at most */
};

static void read_types(struct op_reader *r, const struct json_at *at)
{
	const char *key;
	json_t *value;

	if (at->value == NULL || !json_is_object_at(at)) {
		return;
	}
	json_object_foreach(at->value, key, value) {
		struct json_at member = json_member(at, key);
		struct json_at known = json_member(&member, "known");

		map_set(&r->type_sets, key, (intptr_t)read_modes(&member, true, r->capability) + 1);
		map_set(&r->type_facts, key, (intptr_t)codec_facts_read(&known, r->capability));
	}
}

static uint32_t intern_type(struct op_reader *r, const char *name)
{
	struct capability *c = r->capability;
	intptr_t index = map_get(&r->types, name, 0);

	if (index == 0) {
		c->types = mem_grow(c->types, c->type_count + 1, sizeof(*c->types));
		c->types[c->type_count++] = mem_dup(name);
		index = (intptr_t)c->type_count;
		map_set(&r->types, name, index);
	}
	return (uint32_t)index - 1;
}

static void read_op(struct op_reader *r, const struct json_at *at)
{
	struct json_at name_at = json_member(at, "name");
	struct json_at type_at = json_member(at, "type");
	struct json_at modes = json_member(at, "modes");
	struct json_at latency = json_member(at, "latency_ms");
	struct json_at score = json_member(at, "score");
	struct json_at known = json_member(at, "known");
	struct json_at shape = json_member(at, "shape");
	const char *name, *type;
	uint32_t set;

	if (!json_is_object_at(at)) {
		return;
	}
	json_only(at, op_members);
	if (!json_required(&name_at) || !json_required(&type_at)) {
		return;
	}
	name = json_string_in(&name_at, NULL, LIMIT_NAME_BYTES);
	type = json_string_in(&type_at, NULL, LIMIT_NAME_BYTES);
	(void)json_string_in(&shape, NULL, LIMIT_NAME_BYTES);
	if (name == NULL || type == NULL) {
		return;
	}
	if (map_get(&r->names, name, 0) != 0) {
		(void)json_fault(&name_at, "another operator has this name");
		return;
	}
	set = modes.value != NULL ? read_modes(&modes, false, r->capability) + 1
				  : (uint32_t)map_get(&r->type_sets, type, 0);
	if (set == 0) {
		(void)json_fault(&type_at, "neither this operator nor op_types says its modes");
		return;
	}
	codec_shorthand_read(&latency, 0, r->capability->op_count, r->op_room,
			     &r->capability->latency_ms);
	codec_shorthand_read(&score, -1e12, r->capability->op_count, r->op_room,
			     &r->capability->score);
	r->capability->ops[r->capability->op_count++] =
		(struct capability_op){.name = mem_dup(name),
				       .type = intern_type(r, type),
				       .set = set - 1,
				       .own_facts = codec_facts_read(&known, r->capability),
				       .type_facts = (uint32_t)map_get(&r->type_facts, type, 0)};
	map_set(&r->names, name, (intptr_t)r->capability->op_count);
}

static void read_ops(struct op_reader *r, const struct json_at *at)
{
	if (!json_required(at) || !json_is_array_at(at, LIMIT_OPS)) {
		return;
	}
	if (json_array_size(at->value) == 0) {
		(void)json_fault(at, "at least one operator is needed");
	}
	r->op_room = json_array_size(at->value);
	r->capability->ops = mem_new(r->op_room, sizeof(*r->capability->ops));
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);

		read_op(r, &item);
	}
}

static void read_op_list(struct op_reader *r, const struct json_at *at, const char *name,
			 struct op_list **lists, size_t *count)
{
	struct op_list *list;

	if (!json_is_array_at(at, LIMIT_OPS)) {
		return;
	}
	*lists = mem_grow(*lists, *count + 1, sizeof(**lists));
	list = &(*lists)[(*count)++];
	list->name = name != NULL ? mem_dup(name) : NULL;
	list->ops = mem_new(json_array_size(at->value), sizeof(*list->ops));
	list->count = 0;
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);
		const char *op = json_string_in(&item, NULL, LIMIT_NAME_BYTES);
		intptr_t index = op != NULL ? map_get(&r->names, op, 0) : 1;

		if (index == 0) {
			(void)json_fault(&item, "no operator has this name");
		} else if (op != NULL) {
			list->ops[list->count++] = (uint32_t)index - 1;
		}
	}
}

static void read_groups(struct op_reader *r, const struct json_at *at)
{
	struct capability *c = r->capability;
	struct json_at blocks = json_member(at, "blocks");
	struct json_at modules = json_member(at, "modules");
	struct json_at recipes = json_member(at, "recipes_ops");
	struct json_at tied = json_member(at, "tied");
	struct json_at uniform = json_member(at, "uniform");
	const char *key;
	json_t *value;

	if (json_is_array_at(&blocks, LIMIT_OPS)) {
		for (size_t i = 0; i < json_array_size(blocks.value); i++) {
			struct json_at item = json_item(&blocks, i);

			read_op_list(r, &item, NULL, &c->blocks, &c->block_count);
		}
	}
	if (c->block_count == 0) {
		codec_modules_read(&modules, &r->names, c);
	}
	codec_tied_read(&tied, &r->names, c);
	codec_uniform_read(&uniform, c);
	if (recipes.value != NULL && json_is_object_at(&recipes)) {
		json_object_foreach(recipes.value, key, value) {
			struct json_at member = json_member(&recipes, key);

			read_op_list(r, &member, key, &c->recipes, &c->recipe_count);
		}
	}
}

static void read_sizes(struct capability *c, const struct json_at *at)
{
	size_t count =
		json_is_array_at(at, LIMIT_CALIBRATION_SIZES) ? json_array_size(at->value) : 0;

	c->calibration_sizes = mem_new(count + 1, sizeof(*c->calibration_sizes));
	c->calibration_sizes[0] = 100;
	c->calibration_size_count = count > 0 ? count : 1;
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_item(at, i);

		c->calibration_sizes[i] = json_int(&item, 100, 1, INT32_MAX);
	}
}

static void check_names(const struct json_at *at)
{
	if (!json_is_array_at(at, 256)) {
		return;
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);

		(void)json_string_in(&item, NULL, LIMIT_NAME_BYTES);
	}
}

void codec_capability_read(const struct json_at *at, const struct json_at *learnt,
			   struct capability *ret)
{
	struct op_reader r = {.capability = ret};
	struct json_at types = json_member(at, "op_types");
	struct json_at ops = json_member(at, "ops");
	struct json_at sizes = json_member(at, "calibration_sampling_sizes");
	struct json_at answers = json_member(at, "answers");
	struct json_at metrics = json_member(at, "metrics");

	capability_init(ret);
	if (!json_is_object_at(at)) {
		(void)json_required(at);
		return;
	}
	json_only(at, capability_members);
	map_init(&r.types);
	map_init(&r.type_sets);
	map_init(&r.type_facts);
	map_init(&r.names);
	read_types(&r, &types);
	read_ops(&r, &ops);
	ret->told_count = ret->fact_count;
	codec_learnt_read(learnt, at, ret);
	read_groups(&r, at);
	read_sizes(ret, &sizes);
	check_names(&answers);
	check_names(&metrics);
	map_finish(&r.types);
	map_finish(&r.type_sets);
	map_finish(&r.type_facts);
	map_finish(&r.names);
}

static bool names_contain(const json_t *list, const char *name)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item) {
		if (json_is_string(item) && strcmp(json_string_value(item), name) == 0) {
			return true;
		}
	}
	return false;
}

bool codec_capability_answers(const json_t *capability, const char *what)
{
	const json_t *answers = json_object_get(capability, "answers");

	return answers != NULL ? names_contain(answers, what) : strcmp(what, "evaluate") == 0;
}

char **codec_capability_list(const json_t *capability, const char *member)
{
	const json_t *names = json_object_get(capability, member);
	size_t count = json_array_size(names);
	char **list;

	if (names == NULL) {
		return NULL;
	}
	list = mem_new(count + 1, sizeof(*list));
	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(json_array_get(names, i));

		list[i] = mem_dup(name != NULL ? name : ""); /* a fault, told elsewhere */
	}
	return list;
}

char **codec_capability_answer_list(const json_t *capability)
{
	char **list = codec_capability_list(capability, "answers");

	if (list == NULL) {
		list = mem_new(2, sizeof(*list));
		list[0] = mem_dup("evaluate");
	}
	return list;
}

bool codec_capability_has_metric(const json_t *capability, const char *metric)
{
	const json_t *metrics = json_object_get(capability, "metrics");

	return metrics == NULL || names_contain(metrics, metric);
}
