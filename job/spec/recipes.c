/* Reads recipes, and says which of them a config has. */
#include "job/spec/recipes.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

enum recipe_type { RECIPE_FLAG, RECIPE_ARGS, RECIPE_LIST, RECIPE_LEVEL };

static const struct {
	const char *name;
	enum recipe_type type;
} table[] = {
	{"smooth_quant", RECIPE_FLAG},
	{"smooth_quant_args", RECIPE_ARGS},
	{"layer_wise_quant", RECIPE_FLAG},
	{"layer_wise_quant_args", RECIPE_ARGS},
	{"fast_bias_correction", RECIPE_FLAG},
	{"weight_correction", RECIPE_FLAG},
	{"gemm_to_matmul", RECIPE_FLAG},
	{"graph_optimization_level", RECIPE_LEVEL},
	{"first_conv_or_matmul_quantization", RECIPE_FLAG},
	{"last_conv_or_matmul_quantization", RECIPE_FLAG},
	{"pre_post_process_quantization", RECIPE_FLAG},
	{"add_qdq_pair_to_weight", RECIPE_FLAG},
	{"optypes_to_exclude_output_quant", RECIPE_LIST},
	{"dedicated_qdq_pair", RECIPE_FLAG},
	{"rtn_args", RECIPE_ARGS},
	{"awq_args", RECIPE_ARGS},
	{"gptq_args", RECIPE_ARGS},
	{"teq_args", RECIPE_ARGS},
	{"autoround_args", RECIPE_ARGS},
};

/* In the order in which strategies try them. */
static const char *const tuned[] = {
	"first_conv_or_matmul_quantization",
	"last_conv_or_matmul_quantization",
	"pre_post_process_quantization",
};

static const char *const levels[] = {
	"DISABLE_ALL", "ENABLE_BASIC", "ENABLE_EXTENDED", "ENABLE_ALL", NULL,
};

static const char default_alpha[] = "0.5";

static void check_value(const struct json_at *at, enum recipe_type type)
{
	switch (type) {
	case RECIPE_FLAG:
		(void)json_bool(at, false);
		break;
	case RECIPE_ARGS:
		(void)(at->value == NULL || json_is_object_at(at));
		break;
	case RECIPE_LIST:
		(void)(at->value == NULL || json_is_array_at(at, LIMIT_DICT_ENTRIES));
		break;
	case RECIPE_LEVEL:
		(void)json_choice(at, -1, levels);
		break;
	}
}

static void check_members(const struct json_at *at)
{
	const char *names[sizeof(table) / sizeof(table[0]) + 1] = {0};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct json_at member = json_member(at, table[i].name);

		names[i] = table[i].name;
		check_value(&member, table[i].type);
	}
	json_only(at, names);
}

static void add_alpha(const struct json_at *at, struct recipes *ret)
{
	bool automatic =
		json_is_string(at->value) && strcmp(json_string_value(at->value), "auto") == 0;
	char *text;

	if (!automatic && !json_is_number(at->value)) {
		(void)json_fault(at, "must be a number from 0 to 1, \"auto\", or a list of them");
		return;
	}
	if (!automatic) {
		(void)json_real_in(at, 0, 0, 1);
	}
	text = json_text(at->value);
	for (size_t i = 0; i < ret->alpha_count; i++) {
		if (strcmp(ret->alphas[i], text) == 0) {
			free(text);
			return;
		}
	}
	ret->alphas = mem_grow(ret->alphas, ret->alpha_count + 1, sizeof(*ret->alphas));
	ret->alphas[ret->alpha_count++] = text;
}

static void read_alphas(const struct json_at *at, struct recipes *ret)
{
	if (!json_is_array(at->value)) {
		if (at->value != NULL) {
			add_alpha(at, ret);
		}
		return;
	}
	if (!json_is_array_at(at, LIMIT_CALIBRATION_SIZES)) {
		return;
	}
	if (json_array_size(at->value) == 0) {
		(void)json_fault(at, "at least one value is needed");
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);

		add_alpha(&item, ret);
	}
}

/* Evaluators get one alpha at a time, beside the other arguments. */
static void split_alpha(struct recipes *recipes)
{
	json_t *args = json_object_get(recipes->values, "smooth_quant_args");
	const char *first = recipes->alpha_count > 0 ? recipes->alphas[0] : default_alpha;

	if (args != NULL) {
		args = json_copy(args);
		(void)json_object_del(args, "alpha");
		(void)json_object_set_new(recipes->values, "smooth_quant_args", args);
	}
	if (recipes->smooth_quant) {
		(void)json_object_set_new(recipes->values, "smooth_quant_alpha",
					  json_loads(first, JSON_DECODE_ANY, NULL));
	}
}

void recipes_read(const struct json_at *at, int64_t rules, struct recipes *ret)
{
	struct json_at flag = json_member(at, "smooth_quant");
	struct json_at args = json_member(at, "smooth_quant_args");
	struct json_at alpha = json_member(&args, "alpha");
	char pointer[ERR_POINTER_MAX];

	memset(ret, 0, sizeof(*ret));
	ret->rules = rules;
	if (at->value == NULL || !json_is_object_at(at)) {
		ret->values = json_object();
		return;
	}
	check_members(at);
	ret->values = json_copy(at->value);
	ret->smooth_quant = json_is_true(flag.value);
	read_alphas(&alpha, ret);
	if (!ret->smooth_quant && ret->alpha_count > (rules >= 2 ? 0 : 1)) {
		ret->ignored = mem_dup(json_pointer(&alpha, pointer));
	}
	split_alpha(ret);
}

void recipes_finish(struct recipes *recipes)
{
	json_decref(recipes->values);
	for (size_t i = 0; i < recipes->alpha_count; i++) {
		free(recipes->alphas[i]);
	}
	free(recipes->alphas);
	free(recipes->ignored);
	memset(recipes, 0, sizeof(*recipes));
}

bool recipes_has(const char *name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].type == RECIPE_FLAG && strcmp(table[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

bool recipes_is_tuned(const char *name)
{
	for (size_t i = 0; i < sizeof(tuned) / sizeof(tuned[0]); i++) {
		if (strcmp(tuned[i], name) == 0) {
			return true;
		}
	}
	return false;
}

/* What the runtime fuses stays in high precision as a whole. */
static void keep_tied(const struct capability *capability, bool *kept)
{
	for (size_t g = 0; kept != NULL && g < capability->tied_count; g++) {
		const struct op_list *group = &capability->tied[g];
		bool any = false;

		for (size_t i = 0; i < group->count; i++) {
			any = any || kept[group->ops[i]];
		}
		for (size_t i = 0; any && i < group->count; i++) {
			kept[group->ops[i]] = true;
		}
	}
}

bool *recipes_kept(const struct recipes *recipes, const struct capability *capability)
{
	bool *kept = NULL;

	for (size_t i = 0; recipes->rules >= 2 && i < capability->recipe_count; i++) {
		const struct op_list *list = &capability->recipes[i];

		if (!recipes_has(list->name) ||
		    !json_is_false(json_object_get(recipes->values, list->name))) {
			continue;
		}
		for (size_t k = 0; k < list->count; k++) {
			kept = kept != NULL ? kept : mem_new(capability->op_count, sizeof(*kept));
			kept[list->ops[k]] = true;
		}
	}
	keep_tied(capability, kept);
	return kept;
}

static bool is_tuned(const struct recipes *recipes, const struct op_list *list, const char *name)
{
	const json_t *set = json_object_get(recipes->values, name);

	return strcmp(list->name, name) == 0 && list->count > 0 &&
	       (recipes->rules >= 2 ? set == NULL || json_is_null(set) : !json_is_false(set));
}

void recipes_choose_tuned(const struct recipes *recipes, struct capability *capability)
{
	size_t chosen = 0;

	for (size_t i = 0; i < sizeof(tuned) / sizeof(tuned[0]); i++) {
		for (size_t k = chosen; k < capability->recipe_count; k++) {
			struct op_list list = capability->recipes[k];

			if (is_tuned(recipes, &list, tuned[i])) {
				capability->recipes[k] = capability->recipes[chosen];
				capability->recipes[chosen++] = list;
			}
		}
	}
	for (size_t k = chosen; k < capability->recipe_count; k++) {
		free(capability->recipes[k].name);
		free(capability->recipes[k].ops);
	}
	capability->recipe_count = chosen;
}

static bool is_off(const struct op_list *recipe, const struct space *space, const uint16_t *choices)
{
	for (size_t i = 0; i < recipe->count; i++) {
		const struct kind *kind = space_kind(space, recipe->ops[i]);

		if (kind->choices[choices[recipe->ops[i]]].mode != MODE_FP32) {
			return false;
		}
	}
	return true;
}

json_t *recipes_effective(const json_t *values, const struct space *space, const uint16_t *choices)
{
	json_t *effective = json_copy((json_t *)values);

	for (size_t i = 0; choices != NULL && i < space->capability.recipe_count; i++) {
		const struct op_list *recipe = &space->capability.recipes[i];

		if (is_off(recipe, space, choices)) {
			(void)json_object_set_new(effective, recipe->name, json_false());
		}
	}
	if (choices != NULL && space_has_alphas(space)) {
		size_t dimension = space_alpha_dimension(space);
		const struct extra *extra = &space->extras[dimension - space->op_count];

		(void)json_object_set_new(
			effective, extra->name,
			json_loads(extra->values[choices[dimension]], JSON_DECODE_ANY, NULL));
	}
	return effective;
}
