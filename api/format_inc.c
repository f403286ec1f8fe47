/* The tune_cfg of INC 2.x, as its strategies hand one to its adaptors. */
#include "api/format.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "job/spec/codec_config.h"

/* An operator that is quantized without weights has none; of one that never is that is not known,
 * and a weight too many is no harm. */
static bool may_have_weight(const struct space *space, size_t op)
{
	const struct kind *kind = space_kind(space, op);
	bool quantized = false, weight = false;

	for (enum mode mode = 0; mode < MODE_COUNT && !weight; mode++) {
		if (kind->per_mode[mode] > 0 && mode_is_quantized(mode)) {
			struct choice first = space_resolve(space, op, kind->first[mode], NULL);
			json_t *choice = codec_choice_json(space, &first);

			quantized = true;
			weight = json_object_get(choice, "weight") != NULL;
			json_decref(choice);
		}
	}
	return weight || !quantized;
}

/* What a capability leaves out where there is no choice, INC wants to be told. */
static const struct {
	const char *mode, *weight, *activation;
} dtypes[] = {
	{"static", "int8", "uint8"},
	{"dynamic", "int8", "uint8"},
	{"weight_only", "int", "fp32"},
};

/* The attribute as the config has it, with its data type first. */
static json_t *attribute(const json_t *op, const char *name, const char *dtype)
{
	json_t *had = json_object_get(op, name);
	json_t *result = json_pack("{s:s}", "dtype", dtype);

	if (had != NULL) {
		(void)json_object_update(result, had);
	}
	return result;
}

/* As its tuning_structs.OpTuningConfig.get_state() writes one. */
static json_t *op_json(const json_t *op, bool weight)
{
	const char *mode = json_string_value(json_object_get(op, "mode"));
	const char *dtype[] = {mode, mode};
	json_t *activation, *result = json_object();

	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++) {
		if (strcmp(dtypes[i].mode, mode) == 0) {
			dtype[0] = dtypes[i].weight;
			dtype[1] = dtypes[i].activation;
		}
	}
	if (weight) {
		(void)json_object_set_new(result, "weight", attribute(op, "weight", dtype[0]));
	}
	activation = attribute(op, "activation", dtype[1]);
	(void)json_object_set_new(activation, "quant_mode", json_string(mode));
	(void)json_object_set_new(result, "activation", activation);
	return result;
}

static void add_quoted(struct buf *key, const char *text)
{
	buf_text(key, "'");
	for (; *text != '\0'; text++) {
		buf_text(key, *text == '\'' || *text == '\\' ? "\\" : "");
		buf_add(key, text, 1);
	}
	buf_text(key, "'");
}

/* "('name', 'type')", the Python tuple that is INC's key. */
static char *key_of(const char *name, const char *type)
{
	struct buf key;

	buf_init(&key, SIZE_MAX / 2);
	buf_text(&key, "(");
	add_quoted(&key, name);
	buf_text(&key, ", ");
	add_quoted(&key, type);
	buf_text(&key, ")");
	return buf_take(&key, NULL);
}

/* INC has the alpha among the arguments, and folds unless it is told not to in ONNX alone. */
static json_t *recipes_json(const json_t *recipes, const char *framework)
{
	json_t *result = json_copy((json_t *)recipes);
	json_t *alpha = json_object_get(recipes, "smooth_quant_alpha");
	json_t *given = json_object_get(recipes, "smooth_quant_args");
	json_t *args = given != NULL ? json_copy(given) : json_object();

	if (alpha != NULL) {
		(void)json_object_set(args, "alpha", alpha);
		if (json_object_get(args, "folding") == NULL) {
			(void)json_object_set_new(args, "folding",
						  json_boolean(strncmp(framework, "onnx", 4) == 0));
		}
		(void)json_object_set(result, "smooth_quant_args", args);
		(void)json_object_del(result, "smooth_quant_alpha");
	}
	json_decref(args);
	return result;
}

int format_inc(const struct outcome *outcome, const json_t *config, json_t **ret,
	       struct err *reterr)
{
	const struct space *space = outcome->spec->space;
	json_t *capability = json_loads(outcome->capability_text, 0, NULL);
	const char *framework = json_string_value(json_object_get(capability, "framework"));
	json_t *size = json_object_get(config, "calibration_sampling_size");
	json_t *recipes = recipes_json(json_object_get(config, "recipes"),
				       framework != NULL ? framework : "");
	json_t *ops = json_object(), *op;
	size_t place = 0;
	const char *name;

	(void)reterr;
	json_object_foreach(json_object_get(config, "ops"), name, op) {
		char *key = key_of(name, json_string_value(json_object_get(op, "type")));

		(void)json_object_set_new(
			ops, key, op_json(op, may_have_weight(space, space->members[place++].op)));
		free(key);
	}
	json_decref(capability);
	/* The iterations are those of batches of one sample. */
	*ret = json_pack("{s:o, s:O, s:O, s:o}", "op", ops, "calib_sampling_size", size,
			 "calib_iteration", size, "recipe_cfgs", recipes);
	return 0;
}
