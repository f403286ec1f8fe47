/* Reads configs that people and advisers write, and says what of one is not in the space. */
#include "job/spec/codec_config.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "job/spec/recipes.h"

void codec_ops_init(struct map *ops, const struct space *space)
{
	map_init(ops);
	for (size_t m = 0; m < space->member_count; m++) {
		map_set(ops, space->members[m].name, (intptr_t)m);
	}
}

static int find_item(bool weight, const char *name)
{
	for (int item = 0; item < ITEM_COUNT; item++) {
		if (item_names[item].weight == weight && strcmp(item_names[item].name, name) == 0) {
			return item;
		}
	}
	return -1;
}

static uint16_t find_option(const struct space *space, const json_t *value)
{
	const char *text = json_string_value(value);
	char number[32];
	int64_t whole;

	if (json_whole(value, &whole)) {
		(void)snprintf(number, sizeof(number), "%lld", (long long)whole);
		text = number;
	}
	return text != NULL ? atoms_find(&space->capability.atoms, text) : 0;
}

static void read_attribute(const struct space *space, const struct json_at *op, bool weight,
			   struct choice *ret)
{
	struct json_at at = json_member(op, weight ? "weight" : "activation");
	const char *name;
	json_t *value;

	if (at.value == NULL || !json_is_object_at(&at)) {
		return;
	}
	json_object_foreach(at.value, name, value) {
		struct json_at member = json_member(&at, name);
		int item = find_item(weight, name);

		if (item < 0) {
			(void)json_fault(&member, "unknown member");
			continue;
		}
		ret->options[item] = find_option(space, value);
		if (ret->options[item] == 0) {
			(void)json_fault(&member, "is no option of this space");
		}
	}
}

/* Whether it is this choice with one of the values that uniform options can have. */
static bool same_choice(const struct space *space, const struct choice *a,
			const struct choice *like)
{
	bool same = a->mode == like->mode;

	for (enum item item = 0; item < ITEM_COUNT && same; item++) {
		size_t dimension;
		const struct extra *extra =
			a->options[item] == OPTION_UNIFORM
				? space_uniform(space, a->mode, item, &dimension)
				: NULL;

		same = extra != NULL ? extra_find(extra, like->options[item]) < extra->count
				     : a->options[item] == like->options[item];
	}
	return same;
}

/* What operators say of a config, and which dimensions they have said. */
struct said {
	uint16_t *choices;
	bool *known;
};

static void take_uniform(const struct space *space, const struct choice *choice,
			 const struct choice *like, const struct json_at *at, struct said *said)
{
	for (enum item item = 0; space->uniform_count > 0 && item < ITEM_COUNT; item++) {
		const struct item_name *name = &item_names[item];
		const struct extra *extra;
		size_t dimension = 0;
		uint16_t value;

		if (choice->options[item] != OPTION_UNIFORM) {
			continue;
		}
		extra = space_uniform(space, choice->mode, item, &dimension);
		value = extra_find(extra, like->options[item]);
		if (said->known[dimension] && said->choices[dimension] != value) {
			(void)json_fault(at,
					 "the %s %s has one value for all operators in %s, and "
					 "another one has %s",
					 name->weight ? "weight" : "activation", name->name,
					 mode_names[choice->mode],
					 space_atom(space, extra->atoms[said->choices[dimension]]));
		}
		said->choices[dimension] =
			said->known[dimension] ? said->choices[dimension] : value;
		said->known[dimension] = true;
	}
}

static uint16_t read_choice(const struct space *space, const struct space_member *member,
			    const struct json_at *at, struct said *said)
{
	static const char *const members[] = {"type", "mode", "weight", "activation", NULL};
	const struct kind *kind = space_kind(space, member->op);
	const char *type = space->capability.types[member->type];
	struct json_at type_at = json_member(at, "type");
	struct json_at mode_at = json_member(at, "mode");
	size_t faults = at->err->fault_count;
	struct choice like = {0};

	if (!json_required(at) || !json_is_object_at(at)) {
		return 0;
	}
	json_only(at, members);
	if (type_at.value != NULL && (!json_is_string(type_at.value) ||
				      strcmp(json_string_value(type_at.value), type) != 0)) {
		(void)json_fault(&type_at, "the operator's type is \"%s\"", type);
	}
	if (json_required(&mode_at)) {
		like.mode = (enum mode)json_choice(&mode_at, MODE_FP32, mode_names);
	}
	read_attribute(space, at, true, &like);
	read_attribute(space, at, false, &like);
	for (uint16_t c = 0; c < kind->count && at->err->fault_count == faults; c++) {
		if (same_choice(space, &kind->choices[c], &like)) {
			take_uniform(space, &kind->choices[c], &like, at, said);
			return c;
		}
	}
	if (at->err->fault_count == faults) {
		(void)json_fault(at, "the space has no such choice for this operator");
	}
	return 0;
}

/* Of tied operators one may stand for all; those that are there must agree. */
static void take_choice(const struct space *space, const struct space_member *member,
			const struct json_at *at, struct said *said)
{
	uint16_t choice = read_choice(space, member, at, said);

	if (said->known[member->op] && said->choices[member->op] != choice) {
		(void)json_fault(at, "the operator is tied to \"%s\" and has another choice here",
				 space->ops[member->op].name);
	}
	said->choices[member->op] = said->known[member->op] ? said->choices[member->op] : choice;
	said->known[member->op] = true;
}

static void read_ops(const struct space *space, const struct map *ops, const struct json_at *at,
		     uint16_t *choices)
{
	struct said said = {.choices = choices};
	const char *name;
	json_t *value;

	if (at->value == NULL || !json_is_object_at(at)) {
		return;
	}
	said.known = mem_new(space->dimension_count, sizeof(*said.known));
	json_object_foreach(at->value, name, value) {
		struct json_at member = json_member(at, name);
		intptr_t m = map_get(ops, name, -1);

		if (m < 0) {
			(void)json_fault(&member, "the space has no operator of this name");
		} else {
			take_choice(space, &space->members[m], &member, &said);
		}
	}
	free(said.known);
}

static uint16_t read_extra(const struct extra *extra, const struct json_at *at)
{
	char *text = at->value != NULL ? json_text(at->value) : NULL;
	uint16_t found = 0;

	while (text != NULL && found < extra->count && strcmp(extra->values[found], text) != 0) {
		found++;
	}
	if (found == extra->count) {
		(void)json_fault(at, "is no value of this space");
		found = 0;
	}
	free(text);
	return found;
}

/* Recipes are the same in every config of a job, but for what follows from its choices. */
static void check_recipes(const struct spec *spec, const struct json_at *at,
			  const uint16_t *choices)
{
	json_t *mine = recipes_effective(spec->recipes, spec->space, choices);
	const char *name;
	json_t *value;

	json_object_foreach(at->value, name, value) {
		const json_t *own = json_object_get(mine, name);
		struct json_at member = json_member(at, name);

		if (own == NULL || json_equal(own, value) == 0) {
			(void)json_fault(&member, "this job's recipes do not have this value here");
		}
	}
	json_decref(mine);
}

struct config *codec_config_read(const struct spec *spec, const struct map *ops,
				 const struct json_at *at)
{
	const struct space *space = spec->space;
	const char *const members[] = {"ops", "recipes", space->extras[0].name, NULL};
	struct json_at ops_at = json_member(at, "ops");
	struct json_at recipes = json_member(at, "recipes");
	struct json_at size = json_member(at, space->extras[0].name);
	uint16_t *choices = mem_new(space->dimension_count, sizeof(*choices));
	size_t faults = at->err->fault_count;
	struct config *config = NULL;

	if (json_required(at) && json_is_object_at(at)) {
		json_only(at, members);
		read_ops(space, ops, &ops_at, choices);
		choices[space_size_dimension(space)] = read_extra(&space->extras[0], &size);
	}
	if (recipes.value != NULL && json_is_object_at(&recipes)) {
		if (space_has_alphas(space)) {
			const struct extra *alphas = &space->extras[1];
			struct json_at alpha = json_member(&recipes, alphas->name);

			choices[space_alpha_dimension(space)] = read_extra(alphas, &alpha);
		}
		check_recipes(spec, &recipes, choices);
	}
	if (at->err->fault_count == faults) {
		config = config_create(space, choices);
	}
	free(choices);
	return config;
}
