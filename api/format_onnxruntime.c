/*
 * The arguments of ONNX Runtime's own functions: quantize_static, quantize_dynamic or, for weights
 * alone, MatMulNBitsQuantizer. Each has one value of an option for the whole model and the names of
 * nodes to leave out.
 */
#include "api/format.h"

#include <string.h>
#include <strings.h>

/* One value of an item of a config, and the argument that says it. A value of NULL is any integer, said as it
 * is; an argument of NULL is what the function does anyway. */
struct rule {
	const char *attribute, *item, *value;
	const char *argument, *said; /* as JSON; "extra:" before those of extra_options */
};

static const struct rule static_rules[] = {
	{"weight", "dtype", "int8", "weight_type", "\"QInt8\""},
	{"weight", "dtype", "uint8", "weight_type", "\"QUInt8\""},
	{"weight", "dtype", "int16", "weight_type", "\"QInt16\""},
	{"weight", "dtype", "int4", "weight_type", "\"QInt4\""},
	{"weight", "granularity", "per_tensor", "per_channel", "false"},
	{"weight", "granularity", "per_channel", "per_channel", "true"},
	{"weight", "scheme", "sym", "extra:WeightSymmetric", "true"},
	{"weight", "scheme", "asym", "extra:WeightSymmetric", "false"},
	{"weight", "algorithm", "minmax", NULL, NULL},
	{"activation", "dtype", "uint8", "activation_type", "\"QUInt8\""},
	{"activation", "dtype", "int8", "activation_type", "\"QInt8\""},
	{"activation", "dtype", "uint16", "activation_type", "\"QUInt16\""},
	{"activation", "dtype", "int16", "activation_type", "\"QInt16\""},
	{"activation", "granularity", "per_tensor", NULL, NULL},
	{"activation", "scheme", "sym", "extra:ActivationSymmetric", "true"},
	{"activation", "scheme", "asym", "extra:ActivationSymmetric", "false"},
	{"activation", "algorithm", "minmax", "calibrate_method", "\"MinMax\""},
	{"activation", "algorithm", "kl", "calibrate_method", "\"Entropy\""},
	{"activation", "algorithm", "entropy", "calibrate_method", "\"Entropy\""},
	{"activation", "algorithm", "percentile", "calibrate_method", "\"Percentile\""},
	{"activation", "algorithm", "distribution", "calibrate_method", "\"Distribution\""},
	{NULL, NULL, NULL, NULL, NULL},
};

static const struct rule dynamic_rules[] = {
	{"weight", "dtype", "int8", "weight_type", "\"QInt8\""},
	{"weight", "dtype", "uint8", "weight_type", "\"QUInt8\""},
	{"weight", "granularity", "per_tensor", "per_channel", "false"},
	{"weight", "granularity", "per_channel", "per_channel", "true"},
	{"weight", "scheme", "sym", "extra:WeightSymmetric", "true"},
	{"weight", "scheme", "asym", "extra:WeightSymmetric", "false"},
	{"weight", "algorithm", "minmax", NULL, NULL},
	{"activation", "dtype", "uint8", NULL, NULL},
	{"activation", "granularity", "per_tensor", NULL, NULL},
	{"activation", "scheme", "asym", NULL, NULL},
	{"activation", "algorithm", "minmax", NULL, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

static const struct rule weight_rules[] = {
	{"weight", "dtype", "int", NULL, NULL},
	{"weight", "bits", NULL, "bits", NULL},
	{"weight", "group_size", NULL, "block_size", NULL},
	{"weight", "scheme", "sym", "is_symmetric", "true"},
	{"weight", "scheme", "asym", "is_symmetric", "false"},
	{"weight", "granularity", "per_group", NULL, NULL},
	{"weight", "algorithm", "RTN", NULL, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

/* Types that a function quantizes; another one it ignores in silence. */
static const char *const static_types[] = {
	"Add",
	"ArgMax",
	"AveragePool",
	"BatchNormalization",
	"Clip",
	"Concat",
	"Conv",
	"ConvTranspose",
	"CumSum",
	"EmbedLayerNormalization",
	"Flatten",
	"Gather",
	"GatherElements",
	"Gemm",
	"GlobalAveragePool",
	"InstanceNormalization",
	"LayerNormalization",
	"LeakyRelu",
	"MatMul",
	"MaxPool",
	"Mul",
	"Pad",
	"Relu",
	"Reshape",
	"Resize",
	"Sigmoid",
	"Slice",
	"Softmax",
	"Split",
	"Squeeze",
	"TopK",
	"Transpose",
	"Unsqueeze",
	"Where",
	NULL,
};
static const char *const dynamic_types[] = {
	"Attention", "Conv", "EmbedLayerNormalization", "Gather", "LSTM", "MatMul", NULL,
};
static const char *const weight_types[] = {"MatMul", NULL};
/* They do not compute, and are in int8 when what they read is: that saves a step to fp32 and back. */
static const char *const followers[] = {"Relu",      "Clip",    "MaxPool",   "Reshape", "Flatten",
					"Transpose", "Squeeze", "Unsqueeze", NULL};
static const char *const none[] = {NULL};

static const struct function {
	const char *mode, *name;
	const struct rule *rules;
	const char *const *types, *const *followers;
	bool takes_types; /* op_types_to_quantize */
} functions[] = {
	{"static", "quantize_static", static_rules, static_types, followers, true},
	{"dynamic", "quantize_dynamic", dynamic_rules, dynamic_types, none, true},
	{"weight_only", "MatMulNBitsQuantizer", weight_rules, weight_types, none, false},
};

/* The call in the making. */
struct recipe {
	const struct function *function;
	const char *first; /* the operator that chose it */
	json_t *arguments, *extra, *types, *excluded;
};

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static bool is_among(const char *const *words, const char *word)
{
	while (*words != NULL && strcmp(*words, word) != 0) {
		words++;
	}
	return *words != NULL;
}

static void add_type(json_t *types, const char *type)
{
	size_t i;
	json_t *had;

	json_array_foreach(types, i, had) {
		if (strcmp(json_string_value(had), type) == 0) {
			return;
		}
	}
	(void)json_array_append_new(types, json_string(type));
}

static const struct rule *find_rule(const struct rule *rule, const char *attribute,
				    const char *item, const json_t *value)
{
	for (; rule->attribute != NULL; rule++) {
		bool fits = rule->value == NULL ? json_is_integer(value)
						: json_is_string(value) &&
							  strcasecmp(rule->value,
								     json_string_value(value)) == 0;

		if (fits && strcmp(rule->attribute, attribute) == 0 &&
		    strcmp(rule->item, item) == 0) {
			return rule;
		}
	}
	return NULL;
}

/* Says one option for the whole call; another operator may have said another one. */
static int say(struct recipe *recipe, const char *name, const char *attribute, const char *item,
	       json_t *value, struct err *reterr)
{
	static const char extra[] = "extra:";
	const struct rule *rule = find_rule(recipe->function->rules, attribute, item, value);
	json_t *said, *had, *into = recipe->arguments;
	const char *argument;

	if (rule == NULL) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "%s: %s.%s of this config cannot be said to %s", name, attribute,
			       item, recipe->function->name);
	}
	if (rule->argument == NULL) {
		return 0;
	}
	argument = rule->argument;
	if (strncmp(argument, extra, sizeof(extra) - 1) == 0) {
		argument += sizeof(extra) - 1;
		into = recipe->extra;
	}
	said = rule->value == NULL ? json_incref(value)
				   : json_loads(rule->said, JSON_DECODE_ANY, NULL);
	had = json_object_get(into, argument);
	if (had != NULL && !json_equal(had, said)) {
		json_decref(said);
		return err_set(reterr, ERR_INVALID_FIELD,
			       "%s: its %s.%s is another one than that of operators before it, as "
			       "%s, and %s "
			       "has one %s for the whole model",
			       name, attribute, item, recipe->first, recipe->function->name,
			       argument);
	}
	(void)json_object_set_new(into, argument, said);
	return 0;
}

static int say_all(struct recipe *recipe, const char *name, const json_t *op, struct err *reterr)
{
	static const char *const attributes[] = {"weight", "activation"};
	const char *item;
	json_t *value;

	for (int i = 0; i < 2; i++) {
		json_object_foreach(json_object_get(op, attributes[i]), item, value) {
			int rc = say(recipe, name, attributes[i], item, value, reterr);

			if (rc != 0) {
				return rc;
			}
		}
	}
	return 0;
}

/* The function of the first quantized operator is that of all. */
static int choose(struct recipe *recipe, const char *name, const char *mode, struct err *reterr)
{
	const struct function *function = NULL;

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		function = strcmp(functions[i].mode, mode) == 0 ? &functions[i] : function;
	}
	if (function == NULL) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "%s: no function of ONNX Runtime makes it %s", name, mode);
	}
	if (recipe->function != NULL && recipe->function != function) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "%s is %s and %s is %s: no one function of ONNX Runtime does both",
			       name, mode, recipe->first, recipe->function->mode);
	}
	recipe->first = recipe->function == NULL ? name : recipe->first;
	recipe->function = function;
	return 0;
}

static int add_op(struct recipe *recipe, const char *name, const json_t *op, struct err *reterr)
{
	const char *mode = text_of(op, "mode"), *type = text_of(op, "type");
	int rc;

	if (strcmp(mode, "fp32") == 0) {
		(void)json_array_append_new(recipe->excluded, json_string(name));
		return 0;
	}
	rc = choose(recipe, name, mode, reterr);
	if (rc == 0 && !is_among(recipe->function->types, type)) {
		rc = err_set(reterr, ERR_INVALID_FIELD,
			     "%s: %s quantizes no operator of the type %s", name,
			     recipe->function->name, type);
	}
	if (rc == 0) {
		add_type(recipe->types, type);
		rc = say_all(recipe, name, op, reterr);
	}
	return rc;
}

/* Recipes that name operators are in the config already. */
static int check_recipes(const json_t *config, struct err *reterr)
{
	static const char *const done[] = {"first_conv_or_matmul_quantization",
					   "last_conv_or_matmul_quantization",
					   "pre_post_process_quantization", NULL};
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(config, "recipes"), name, value) {
		if (json_is_true(value) && !is_among(done, name)) {
			return err_set(
				reterr, ERR_INVALID_FIELD,
				"the recipe %s of this config cannot be said to ONNX Runtime",
				name);
		}
	}
	return 0;
}

static json_t *document(struct recipe *recipe)
{
	json_t *arguments = json_copy(recipe->arguments);

	if (recipe->function->takes_types) {
		for (const char *const *type = recipe->function->followers; *type != NULL; type++) {
			add_type(recipe->types, *type);
		}
		(void)json_object_set(arguments, "op_types_to_quantize", recipe->types);
	}
	if (json_object_size(recipe->extra) > 0) {
		(void)json_object_set(arguments, "extra_options", recipe->extra);
	}
	(void)json_object_set(arguments, "nodes_to_exclude", recipe->excluded);
	return json_pack("{s:o}", recipe->function->name, arguments);
}

int format_onnxruntime(const struct outcome *outcome, const json_t *config, json_t **ret,
		       struct err *reterr)
{
	struct recipe recipe = {.arguments = json_object(),
				.extra = json_object(),
				.types = json_array(),
				.excluded = json_array()};
	int rc = check_recipes(config, reterr);
	const char *name;
	json_t *op;

	(void)outcome;
	json_object_foreach(json_object_get(config, "ops"), name, op) {
		rc = rc == 0 ? add_op(&recipe, name, op, reterr) : rc;
	}
	if (rc == 0 && recipe.function == NULL) {
		rc = err_set(reterr, ERR_INVALID_FIELD,
			     "no operator is quantized: the model as it is needs no recipe");
	}
	if (rc == 0) {
		*ret = document(&recipe);
	}
	json_decref(recipe.arguments);
	json_decref(recipe.extra);
	json_decref(recipe.types);
	json_decref(recipe.excluded);
	return rc;
}
