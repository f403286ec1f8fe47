/* The arguments of AutoRound that are not a model's: how each layer's weights are rounded, and that this is all it does. */
#include "api/format_layers.h"

#include <string.h>

static const struct layer_words words[] = {
	{" weight_only ", "weight", "dtype", " int int2 int3 int4 int8 "},
	{" weight_only ", "weight", "bits", " 2 3 4 8 "},
	{" weight_only ", "weight", "group_size", NULL},
	{" weight_only ", "weight", "scheme", " sym asym "},
	{" weight_only ", "weight", "granularity", " per_channel per_group "},
	{" weight_only ", "weight", "algorithm", " minmax RTN "},
	{NULL, NULL, NULL, NULL},
};
static const struct layer_tool tool = {"AutoRound", " Linear ", words};

/* A layer in 16 bits is one that stays: AutoRound has a scheme for those that nobody names. */
static int add(void *arg, const struct layer *layer, struct err *reterr)
{
	json_t *how;

	if (layer->bits == 8 && layer->asymmetric) {
		return layer_refuse(layer, &tool, "8 bits with zero points", reterr);
	}
	if (strcmp(layer->mode, "fp32") == 0) {
		how = json_pack("{s:i, s:s}", "bits", 16, "data_type", "float");
	} else {
		how = json_pack("{s:I, s:I, s:b, s:s}", "bits", layer->bits, "group_size",
				layer->group > 0 ? layer->group : -1, "sym", !layer->asymmetric,
				"data_type", "int");
	}
	(void)json_object_set_new(arg, layer->name, how);
	return 0;
}

int format_autoround(const struct outcome *outcome, const json_t *config, json_t **ret,
		     struct err *reterr)
{
	json_t *layers = json_object();
	int rc = layers_each(config, &tool, add, layers, reterr);

	(void)outcome;
	if (rc == 0) {
		/* Without these two it would look for better roundings in data of its own. */
		*ret = json_pack("{s:O, s:i, s:b}", "layer_config", layers, "iters", 0,
				 "disable_opt_rtn", 1);
	}
	json_decref(layers);
	return rc;
}
