/*
 * The arguments of ONNX Runtime's own functions: quantize_static, quantize_dynamic or, for weights
 * alone, MatMulNBitsQuantizer.
 */
#include "api/format_call.h"

static const struct call_rule static_rules[] = {
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

static const struct call_rule dynamic_rules[] = {
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

static const struct call_rule weight_rules[] = {
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

static const struct call_function functions[] = {
	{"static", "quantize_static", static_rules, static_types},
	{"dynamic", "quantize_dynamic", dynamic_rules, dynamic_types},
	{"weight_only", "MatMulNBitsQuantizer", weight_rules, weight_types},
	{NULL, NULL, NULL, NULL},
};

static json_t *document(struct format_call *made)
{
	json_t *arguments = json_copy(made->arguments);

	if (made->function == &functions[0]) {
		for (const char *const *type = followers; *type != NULL; type++) {
			format_call_add_type(made, *type);
		}
	}
	if (made->function != &functions[2]) {
		(void)json_object_set(arguments, "op_types_to_quantize", made->types);
	}
	if (json_object_size(made->extra) > 0) {
		(void)json_object_set(arguments, "extra_options", made->extra);
	}
	(void)json_object_set(arguments, "nodes_to_exclude", made->excluded);
	return json_pack("{s:o}", made->function->name, arguments);
}

int format_onnxruntime(const struct outcome *outcome, const json_t *config, json_t **ret,
		       struct err *reterr)
{
	struct format_call made;
	struct err why;
	int rc = format_call_make(&made, config, "ONNX Runtime", functions, &why);

	(void)outcome;
	if (rc == 0) {
		*ret = document(&made);
	} else {
		/* Some of it could be said: another way says all of it. */
		rc = err_set(reterr, why.code, "%s%s", why.message,
			     made.function == NULL ? ""
						   : "; of a search of narrowd.onnx narrow-onnx "
						     "build makes a file all the same");
	}
	format_call_finish(&made);
	return rc;
}
