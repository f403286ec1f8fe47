/* Writes what the network can do, and reads a config of it with every fault named. */
#include "config.h"

#include <string.h>

#define MAX_OPTIONS 2

/*
 * `offered` is how many of the options each kind of operator has. Fewer options make a smaller
 * space: nothing speaks for one scale over all channels of a depthwise kernel, and the two Linear
 * are so small that there is little to win.
 */
static const struct {
	const char *attribute, *name;
	const char *options[MAX_OPTIONS];
	uint8_t offered[OP_KINDS];
} items[ITEMS] = {
	[WEIGHT_DTYPE] = {"weight", "dtype", {"int8"}, {1, 1, 1}},
	[WEIGHT_SCHEME] = {"weight", "scheme", {"sym"}, {1, 1, 1}},
	[WEIGHT_GRANULARITY] = {"weight", "granularity", {"per_channel", "per_tensor"}, {2, 1, 1}},
	[WEIGHT_ALGORITHM] = {"weight", "algorithm", {"minmax"}, {1, 1, 1}},
	[ACTIVATION_DTYPE] = {"activation", "dtype", {"uint8"}, {1, 1, 1}},
	[ACTIVATION_SCHEME] = {"activation", "scheme", {"asym", "sym"}, {2, 1, 1}},
	[ACTIVATION_GRANULARITY] = {"activation", "granularity", {"per_tensor"}, {1, 1, 1}},
	[ACTIVATION_ALGORITHM] = {"activation", "algorithm", {"minmax", "kl"}, {2, 2, 1}},
};

static const char *const kind_names[OP_KINDS] = {
	[OP_CONV] = "Conv2d",
	[OP_DEPTHWISE] = "DepthwiseConv2d",
	[OP_LINEAR] = "Linear",
};

/* Recipes that would have to change the model itself. The others only choose operators for fp32,
 * which the tuner has already written into the config. */
static const char *const unknown_recipes[] = {
	"smooth_quant",
	"layer_wise_quant",
	"fast_bias_correction",
	"weight_correction",
};

void config_baseline(struct config *config)
{
	*config = (struct config){0};
}

struct choice config_default_choice(void)
{
	return (struct choice){.quantized = true};
}

static int read_option(struct choice *choice, const struct op *op, enum item item,
		       const json_t *value, struct fault *fault)
{
	const char *text = json_string_value(value);

	for (uint8_t i = 0; text != NULL && i < items[item].offered[op->kind]; i++) {
		if (strcmp(text, items[item].options[i]) == 0) {
			choice->option[item] = i;
			return 0;
		}
	}
	return fault_set(fault, "%s: %s has no %s \"%s\"", op->name, items[item].attribute,
			 items[item].name, text != NULL ? text : "(not a string)");
}

static int read_attribute(struct choice *choice, const struct op *op, const char *attribute,
			  json_t *json, struct fault *fault)
{
	const char *name;
	json_t *value;

	json_object_foreach(json, name, value) {
		size_t item = 0;

		while (item < ITEMS && (strcmp(items[item].attribute, attribute) != 0 ||
					strcmp(items[item].name, name) != 0)) {
			item++;
		}
		if (item == ITEMS) {
			return fault_set(fault, "%s: %s has no \"%s\"", op->name, attribute, name);
		}
		if (read_option(choice, op, (enum item)item, value, fault) != 0) {
			return -1;
		}
	}
	return 0;
}

int config_read_choice(struct choice *choice, const struct op *op, json_t *json,
		       struct fault *fault)
{
	const char *type = json_string_value(json_object_get(json, "type"));
	const char *mode = json_string_value(json_object_get(json, "mode"));

	if (type != NULL && strcmp(type, kind_names[op->kind]) != 0) {
		return fault_set(fault, "%s is a %s, not a %s", op->name, kind_names[op->kind],
				 type);
	}
	if (mode == NULL || (strcmp(mode, "static") != 0 && strcmp(mode, "fp32") != 0)) {
		return fault_set(fault, "%s has no mode \"%s\"", op->name,
				 mode != NULL ? mode : "(not a string)");
	}
	*choice = (struct choice){.quantized = strcmp(mode, "static") == 0};
	if (!choice->quantized) {
		return 0;
	}
	if (read_attribute(choice, op, "weight", json_object_get(json, "weight"), fault) != 0) {
		return -1;
	}
	return read_attribute(choice, op, "activation", json_object_get(json, "activation"), fault);
}

static int read_ops(struct config *config, const struct model *model, json_t *ops,
		    struct fault *fault)
{
	const char *name;
	json_t *value;

	json_object_foreach(ops, name, value) {
		int op = model_find(model, name);

		if (op < 0) {
			return fault_set(fault, "the model has no operator \"%s\"", name);
		}
		if (config_read_choice(&config->ops[op], &model->ops[op], value, fault) != 0) {
			return -1;
		}
	}
	if (json_object_size(ops) != model->op_count) {
		return fault_set(fault, "the config has %zu operators, the model %zu",
				 json_object_size(ops), model->op_count);
	}
	return 0;
}

static int check_recipes(const json_t *recipes, struct fault *fault)
{
	for (size_t i = 0; i < sizeof(unknown_recipes) / sizeof(unknown_recipes[0]); i++) {
		if (json_is_true(json_object_get(recipes, unknown_recipes[i]))) {
			return fault_set(fault, "this evaluator has no recipe \"%s\"",
					 unknown_recipes[i]);
		}
	}
	return 0;
}

static int read_samples(struct config *config, const struct model *model, const json_t *json,
			struct fault *fault)
{
	json_int_t samples = json_integer_value(json);

	if (json == NULL) {
		config->samples = model->calibration.count;
		return 0;
	}
	if (samples < 1 || samples > (json_int_t)model->calibration.count) {
		return fault_set(fault, "calibration_sampling_size must be from 1 to %zu",
				 model->calibration.count);
	}
	config->samples = (size_t)samples;
	return 0;
}

int config_read(struct config *config, const struct model *model, const json_t *json,
		struct fault *fault)
{
	*config = (struct config){0};
	if (read_samples(config, model, json_object_get(json, "calibration_sampling_size"),
			 fault) != 0 ||
	    check_recipes(json_object_get(json, "recipes"), fault) != 0) {
		return -1;
	}
	return read_ops(config, model, json_object_get(json, "ops"), fault);
}

static json_t *static_mode(enum op_kind kind)
{
	json_t *mode = json_pack("{s:{}, s:{}}", "weight", "activation");

	for (size_t i = 0; i < ITEMS; i++) {
		json_t *options = json_array();

		for (size_t k = 0; k < items[i].offered[kind]; k++) {
			(void)json_array_append_new(options, json_string(items[i].options[k]));
		}
		(void)json_object_set_new(json_object_get(mode, items[i].attribute), items[i].name,
					  options);
	}
	return mode;
}

json_t *config_capability(const struct model *model)
{
	json_t *types = json_object(), *ops = json_array();

	for (size_t i = 0; i < model->op_count; i++) {
		const char *type = kind_names[model->ops[i].kind];

		(void)json_array_append_new(
			ops, json_pack("{s:s, s:s}", "name", model->ops[i].name, "type", type));
		if (json_object_get(types, type) == NULL) {
			(void)json_object_set_new(types, type,
						  json_pack("{s:o, s:{}}", "static",
							    static_mode(model->ops[i].kind),
							    "fp32"));
		}
	}
	return json_pack(
		"{s:s, s:{s:s}, s:o, s:o, s:{s:[s], s:[s]}, s:[s,s,s,s,s], s:[I], s:[s,s,s]}",
		"framework", "onednn", "model", "name", "digits", "op_types", types, "ops", ops,
		"recipes_ops", "first_conv_or_matmul_quantization", model->ops[0].name,
		"last_conv_or_matmul_quantization", model->ops[model->op_count - 1].name, "answers",
		"evaluate", "score:mse", "score:mse_v2", "score:mse_v2:options", "score:hawq_v2",
		"calibration_sampling_sizes", (json_int_t)model->calibration.count, "metrics",
		"accuracy", "latency_ms", "model_size_bytes");
}
