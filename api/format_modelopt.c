/* A quantization config of NVIDIA's Model Optimizer: all quantizers off, then those of each layer by their names. */
#include "api/format_layers.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct layer_words words[] = {
	{" static ", "weight", "dtype", " int8 "},
	{" static ", "weight", "bits", " 8 "},
	{" static ", "weight", "granularity", " per_channel per_tensor "},
	{" static ", "weight", "algorithm", " minmax "},
	{" static ", "activation", "dtype", " int8 "},
	{" static ", "activation", "scheme", " sym "},
	{" static ", "activation", "granularity", " per_tensor "},
	{" static ", "activation", "algorithm", " minmax "},
	{" static weight_only ", "weight", "scheme", " sym "},
	{" weight_only ", "weight", "dtype", " int int4 int8 "},
	{" weight_only ", "weight", "bits", " 2 3 4 5 6 7 8 "},
	{" weight_only ", "weight", "group_size", NULL},
	{" weight_only ", "weight", "granularity", " per_channel per_tensor per_group "},
	{" weight_only ", "weight", "algorithm", " minmax RTN "},
	{NULL, NULL, NULL, NULL},
};
static const struct layer_tool tool = {"Model Optimizer", " Linear ", words};

/* One scale for a group, for all weights of an output, or for the tensor. */
static json_t *weight_json(const struct layer *layer)
{
	if (layer->group > 0) {
		return json_pack("{s:I, s:{s:I}}", "num_bits", layer->bits, "block_sizes", "-1",
				 layer->group);
	}
	return json_pack("{s:I, s:o}", "num_bits", layer->bits, "axis",
			 layer->group == LAYER_WHOLE ? json_null() : json_integer(0));
}

/* Steals `how`. */
static void add_quantizer(json_t *rules, const struct layer *layer, const char *of, json_t *how)
{
	char *name = mem_printf("%s.%s_quantizer", layer->name, of);

	(void)json_array_append_new(rules, json_pack("{s:s, s:o, s:b}", "quantizer_name", name,
						     "cfg", how, "enable", 1));
	free(name);
}

static int add(void *arg, const struct layer *layer, struct err *reterr)
{
	(void)reterr;
	if (strcmp(layer->mode, "fp32") != 0) {
		add_quantizer(arg, layer, "weight", weight_json(layer));
	}
	if (strcmp(layer->mode, "static") == 0) {
		add_quantizer(arg, layer, "input", json_pack("{s:i, s:n}", "num_bits", 8, "axis"));
	}
	return 0;
}

int format_modelopt(const struct outcome *outcome, const json_t *config, json_t **ret,
		    struct err *reterr)
{
	json_t *rules = json_pack("[{s:s, s:b}]", "quantizer_name", "*", "enable", 0);
	int rc = layers_each(config, &tool, add, rules, reterr);

	(void)outcome;
	if (rc == 0) {
		*ret = json_pack("{s:O, s:s}", "quant_cfg", rules, "algorithm", "max");
	}
	json_decref(rules);
	return rc;
}
