/* A recipe of LLM Compressor: the layers that are stored alike are a group, and what stays is ignored by name. */
#include "api/format_layers.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct layer_words words[] = {
	{" static dynamic ", "weight", "dtype", " int8 "},
	{" weight_only ", "weight", "dtype", " int int4 int8 "},
	{" static dynamic ", "weight", "bits", " 8 "},
	{" weight_only ", "weight", "bits", " 2 3 4 5 6 7 8 "},
	{" weight_only ", "weight", "group_size", NULL},
	{" static dynamic ", "weight", "scheme", " sym "},
	{" weight_only ", "weight", "scheme", " sym asym "},
	{" static dynamic weight_only ", "weight", "granularity",
	 " per_channel per_tensor per_group "},
	{" static dynamic weight_only ", "weight", "algorithm", " minmax RTN "},
	{" static dynamic ", "activation", "dtype", " int8 "},
	{" static dynamic ", "activation", "scheme", " sym asym "},
	{" static ", "activation", "granularity", " per_tensor "},
	{" dynamic ", "activation", "granularity", " per_token per_row "},
	{" static dynamic ", "activation", "algorithm", " minmax "},
	{NULL, NULL, NULL, NULL},
};
static const struct layer_tool tool = {"LLM Compressor", " Linear ", words};

struct recipe {
	json_t *groups, *ignore;
};

static json_t *weights_json(const struct layer *layer)
{
	const char *strategy = layer->group > 0              ? "group"
			       : layer->group == LAYER_WHOLE ? "tensor"
							     : "channel";
	json_t *how = json_pack("{s:I, s:s, s:b, s:s}", "num_bits", layer->bits, "type", "int",
				"symmetric", !layer->asymmetric, "strategy", strategy);

	if (layer->group > 0) {
		(void)json_object_set_new(how, "group_size", json_integer(layer->group));
	}
	return how;
}

/* NULL where activations stay. */
static json_t *inputs_json(const struct layer *layer)
{
	bool dynamic = strcmp(layer->mode, "dynamic") == 0;

	if (!dynamic && strcmp(layer->mode, "static") != 0) {
		return NULL;
	}
	return json_pack("{s:i, s:s, s:b, s:s, s:b}", "num_bits", 8, "type", "int", "symmetric",
			 strcmp(layer->activation_scheme, "asym") != 0, "strategy",
			 dynamic ? "token" : "tensor", "dynamic", dynamic);
}

static bool alike(const json_t *one, const json_t *other, const char *member)
{
	const json_t *its = json_object_get(one, member), *mine = json_object_get(other, member);

	return its == mine || json_equal(its, mine); /* both may be NULL */
}

/* The targets of the group whose layers are stored so, a new one when there is none. Steals `weights` and `inputs`. */
static json_t *targets_of(json_t *groups, json_t *weights, json_t *inputs)
{
	json_t *wanted = json_pack("{s:o, s:o*}", "weights", weights, "input_activations", inputs);
	json_t *group, *targets = NULL;
	const char *name;
	char *added;

	json_object_foreach(groups, name, group) {
		if (alike(group, wanted, "weights") && alike(group, wanted, "input_activations")) {
			targets = json_object_get(group, "targets");
		}
	}
	if (targets == NULL) {
		added = mem_printf("group_%zu", json_object_size(groups));
		targets = json_array();
		(void)json_object_set_new(wanted, "targets", targets);
		(void)json_object_set(groups, added, wanted);
		free(added);
	}
	json_decref(wanted);
	return targets;
}

static int add(void *arg, const struct layer *layer, struct err *reterr)
{
	const struct recipe *recipe = arg;
	bool kept = strcmp(layer->mode, "fp32") == 0;
	json_t *names = kept ? recipe->ignore
			     : targets_of(recipe->groups, weights_json(layer), inputs_json(layer));

	(void)reterr;
	(void)json_array_append_new(names, json_string(layer->name));
	return 0;
}

int format_llmcompressor(const struct outcome *outcome, const json_t *config, json_t **ret,
			 struct err *reterr)
{
	struct recipe recipe = {json_object(), json_array()};
	int rc = layers_each(config, &tool, add, &recipe, reterr);

	(void)outcome;
	if (rc == 0) {
		*ret = json_pack("{s:{s:{s:{s:O, s:O}}}}", "quant_stage", "quant_modifiers",
				 "QuantizationModifier", "config_groups", recipe.groups, "ignore",
				 recipe.ignore);
	}
	json_decref(recipe.groups);
	json_decref(recipe.ignore);
	return rc;
}
