/* A QConfig of AMD's Quark as its own to_dict() writes one, without what says nothing: nothing by default, then each layer. */
#include "api/format_layers.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct layer_words words[] = {
	{" static ", "weight", "dtype", " int8 "},
	{" weight_only ", "weight", "dtype", " int int4 int8 "},
	{" static ", "weight", "bits", " 8 "},
	{" weight_only ", "weight", "bits", " 2 3 4 8 "},
	{" weight_only ", "weight", "group_size", NULL},
	{" static ", "weight", "scheme", " sym "},
	{" weight_only ", "weight", "scheme", " sym asym "},
	{" static weight_only ", "weight", "granularity", " per_channel per_tensor per_group "},
	{" static weight_only ", "weight", "algorithm", " minmax RTN "},
	{" static ", "activation", "dtype", " int8 "},
	{" static ", "activation", "scheme", " sym asym "},
	{" static ", "activation", "granularity", " per_tensor "},
	{" static ", "activation", "algorithm", " minmax "},
	{NULL, NULL, NULL, NULL},
};
static const struct layer_tool tool = {"Quark", " Linear ", words};

struct found {
	json_t *layers, *exclude;
};

static json_t *tensor_json(const char *dtype, int64_t group, bool symmetric)
{
	static const struct {
		const char *scheme, *observer;
		int axis;
	} ways[] = {
		{"per_tensor", "PerTensorMinMaxObserver", -1},
		{"per_channel", "PerChannelMinMaxObserver", 0},
		{"per_group", "PerGroupMinMaxObserver", 1},
	};
	size_t way = group == LAYER_WHOLE ? 0 : group == 0 ? 1 : 2;
	json_t *axis = way == 0 ? json_null() : json_integer(ways[way].axis);
	json_t *size = group > 0 ? json_integer(group) : json_null();

	return json_pack("{s:s, s:b, s:s, s:o, s:o, s:b, s:s, s:s, s:s}", "dtype", dtype,
			 "is_dynamic", 0, "qscheme", ways[way].scheme, "ch_axis", axis,
			 "group_size", size, "symmetric", symmetric, "round_method", "half_even",
			 "scale_type", "float", "observer_cls", ways[way].observer);
}

/* With zero points numbers have no sign. */
static json_t *weight_json(const struct layer *layer)
{
	char *dtype =
		mem_printf("%s%lld", layer->asymmetric ? "uint" : "int", (long long)layer->bits);
	json_t *how = tensor_json(dtype, layer->group, !layer->asymmetric);

	free(dtype);
	return how;
}

/* What is null stays as it is. */
static json_t *layer_json(json_t *inputs, json_t *weight)
{
	return json_pack("{s:o?, s:n, s:o?, s:n}", "input_tensors", inputs, "output_tensors",
			 "weight", weight, "bias");
}

static int add(void *arg, const struct layer *layer, struct err *reterr)
{
	const struct found *found = arg;
	json_t *inputs = NULL;

	if (strcmp(layer->mode, "fp32") == 0) {
		(void)json_array_append_new(found->exclude, json_string(layer->name));
		return 0;
	}
	if (layer->asymmetric && layer->bits < 4) {
		return layer_refuse(layer, &tool, "less than 4 bits with zero points", reterr);
	}
	if (strcmp(layer->mode, "static") == 0) {
		inputs = tensor_json("int8", LAYER_WHOLE,
				     strcmp(layer->activation_scheme, "asym") != 0);
	}
	(void)json_object_set_new(found->layers, layer->name,
				  layer_json(inputs, weight_json(layer)));
	return 0;
}

int format_quark(const struct outcome *outcome, const json_t *config, json_t **ret,
		 struct err *reterr)
{
	struct found found = {json_object(), json_array()};
	int rc = layers_each(config, &tool, add, &found, reterr);

	(void)outcome;
	if (rc == 0) {
		*ret = json_pack("{s:o, s:{}, s:O, s:O}", "global_quant_config",
				 layer_json(NULL, NULL), "layer_type_quant_config",
				 "layer_quant_config", found.layers, "exclude", found.exclude);
	}
	json_decref(found.layers);
	json_decref(found.exclude);
	return rc;
}
