/* An FqnToConfig of torchao as its own config_to_dict() writes one: config_from_dict() reads it, quantize_() takes it. */
#include "api/format_layers.h"

#include <string.h>

#include "base/mem.h"

static const struct layer_words words[] = {
	{" dynamic weight_only ", "weight", "dtype", " int8 int4 int "},
	{" dynamic weight_only ", "weight", "bits", " 1 2 3 4 5 6 7 8 "},
	{" dynamic weight_only ", "weight", "group_size", NULL},
	{" dynamic weight_only ", "weight", "scheme", " sym asym "},
	{" dynamic weight_only ", "weight", "granularity", " per_channel per_group "},
	{" dynamic weight_only ", "weight", "algorithm", " minmax RTN "},
	{" dynamic ", "activation", "dtype", " int8 "},
	{" dynamic ", "activation", "scheme", " sym asym "},
	{" dynamic ", "activation", "granularity", " per_token per_row "},
	{" dynamic ", "activation", "algorithm", " minmax "},
	{NULL, NULL, NULL, NULL},
};
static const struct layer_tool tool = {"torchao", " Linear ", words};

/* What config_to_dict() makes of an object, or of a member of an enumeration. Steals `data`. */
static json_t *typed(const char *type, int version, json_t *data)
{
	json_t *result = json_pack("{s:s, s:o}", "_type", type, "_data", data);

	if (version > 0) {
		(void)json_object_set_new(result, "_version", json_integer(version));
	}
	return result;
}

static json_t *mapping(bool asymmetric)
{
	return typed("MappingType", 0, json_string(asymmetric ? "ASYMMETRIC" : "SYMMETRIC"));
}

static json_t *weight_dtype(const struct layer *layer)
{
	char *name = mem_printf("int%lld", (long long)layer->bits);
	json_t *result = typed("torch.dtype", 0, json_string(name));

	free(name);
	return result;
}

static json_t *granularity(const struct layer *layer)
{
	return layer->group > 0
		       ? typed("PerGroup", 1, json_pack("{s:I}", "group_size", layer->group))
		       : typed("PerAxis", 1, json_pack("{s:i}", "axis", 0));
}

/* The kernels of whole bytes are the fast ones, and have neither groups nor zero points. */
static json_t *config_json(const struct layer *layer)
{
	bool dynamic = strcmp(layer->mode, "dynamic") == 0;
	bool bytes = layer->bits == 8 && layer->group == 0 && !layer->asymmetric;
	json_t *data = json_object();

	if (dynamic && layer->activation_scheme[0] != '\0') {
		(void)json_object_set_new(data, "act_mapping_type",
					  mapping(strcmp(layer->activation_scheme, "asym") == 0));
	}
	if (bytes) {
		return typed(dynamic ? "Int8DynamicActivationInt8WeightConfig"
				     : "Int8WeightOnlyConfig",
			     2, data);
	}
	(void)json_object_set_new(data, "weight_dtype", weight_dtype(layer));
	(void)json_object_set_new(data, dynamic ? "weight_granularity" : "granularity",
				  granularity(layer));
	(void)json_object_set_new(data, dynamic ? "weight_mapping_type" : "mapping_type",
				  mapping(layer->asymmetric));
	return typed(dynamic ? "Int8DynamicActivationIntxWeightConfig" : "IntxWeightOnlyConfig", 2,
		     data);
}

/* null leaves a module as it is. */
static int add(void *arg, const struct layer *layer, struct err *reterr)
{
	(void)reterr;
	(void)json_object_set_new(arg, layer->name,
				  strcmp(layer->mode, "fp32") == 0 ? json_null()
								   : config_json(layer));
	return 0;
}

int format_torchao(const struct outcome *outcome, const json_t *config, json_t **ret,
		   struct err *reterr)
{
	json_t *modules = json_object();
	int rc = layers_each(config, &tool, add, modules, reterr);

	(void)outcome;
	if (rc == 0) {
		*ret = typed("FqnToConfig", 1, json_pack("{s:O}", "fqn_to_config", modules));
	}
	json_decref(modules);
	return rc;
}
