/* The arguments of NNCF's functions for models of OpenVINO: quantize() or, for weights alone, compress_weights(). */
#include "api/format_call.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct call_rule static_rules[] = {
	{"weight", "dtype", "int8", NULL, NULL},
	{"weight", "granularity", "per_channel", NULL, NULL},
	{"weight", "scheme", "sym", NULL, NULL},
	{"weight", "algorithm", "minmax", NULL, NULL},
	{"activation", "dtype", "uint8", NULL, NULL},
	{"activation", "dtype", "int8", NULL, NULL},
	{"activation", "granularity", "per_tensor", NULL, NULL},
	{"activation", "scheme", "sym", "preset", "\"performance\""},
	{"activation", "scheme", "asym", "preset", "\"mixed\""},
	{"activation", "algorithm", "minmax", NULL, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

/* Bits and scheme are one argument, put together below. */
static const struct call_rule weight_rules[] = {
	{"weight", "dtype", "int", NULL, NULL},
	{"weight", "dtype", "int8", "extra:bits", "8"},
	{"weight", "dtype", "int4", "extra:bits", "4"},
	{"weight", "bits", NULL, "extra:bits", NULL},
	{"weight", "group_size", NULL, "group_size", NULL},
	{"weight", "scheme", "sym", "extra:scheme", "\"sym\""},
	{"weight", "scheme", "asym", "extra:scheme", "\"asym\""},
	{"weight", "granularity", "per_group", NULL, NULL},
	{"weight", "granularity", "per_channel", NULL, NULL},
	{"weight", "algorithm", "RTN", NULL, NULL},
	{NULL, NULL, NULL, NULL, NULL},
};

/* As OpenVINO's intermediate representation has them, and as ONNX and torch do. */
static const char *const types[] = {
	"Convolution",
	"GroupConvolution",
	"ConvolutionBackpropData",
	"MatMul",
	"Conv",
	"Gemm",
	"ConvTranspose",
	"Linear",
	"Conv1d",
	"Conv2d",
	"Conv3d",
	NULL,
};

static const struct call_function functions[] = {
	{"static", "quantize", static_rules, types},
	{"weight_only", "compress_weights", weight_rules, types},
	{NULL, NULL, NULL, NULL},
};

/* "int4_asym", of what was gathered. */
static int add_mode(struct format_call *made, struct err *reterr)
{
	int64_t bits = json_integer_value(json_object_get(made->extra, "bits"));
	const char *scheme = json_string_value(json_object_get(made->extra, "scheme"));
	char *mode;

	if (bits != 4 && bits != 8) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "%s: compress_weights of NNCF has weights of 4 or 8 bits, and this "
			       "config has %lld",
			       made->first, (long long)bits);
	}
	if (bits == 8 && json_object_get(made->arguments, "group_size") != NULL) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "%s: compress_weights of NNCF has no groups for weights of 8 bits",
			       made->first);
	}
	mode = mem_printf("int%lld_%s", (long long)bits, scheme != NULL ? scheme : "asym");
	(void)json_object_set_new(made->arguments, "mode", json_string(mode));
	/* Or it keeps some of them in 8 bits, by its own choice. */
	if (bits == 4) {
		(void)json_object_set_new(made->arguments, "ratio", json_real(1.0));
		(void)json_object_set_new(made->arguments, "all_layers", json_true());
	}
	free(mode);
	return 0;
}

int format_openvino(const struct outcome *outcome, const json_t *config, json_t **ret,
		    struct err *reterr)
{
	struct format_call made;
	int rc = format_call_make(&made, config, "NNCF", functions, reterr);

	(void)outcome;
	if (rc == 0 && made.function == &functions[0]) {
		(void)json_object_set(made.arguments, "subset_size",
				      json_object_get(config, "calibration_sampling_size"));
	} else if (rc == 0) {
		rc = add_mode(&made, reterr);
	}
	if (rc == 0) {
		(void)json_object_set_new(made.arguments, "ignored_scope",
					  json_pack("{s:O}", "names", made.excluded));
		*ret = json_pack("{s:O}", made.function->name, made.arguments);
	}
	format_call_finish(&made);
	return rc;
}
