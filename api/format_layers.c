/* Reads a config layer by layer for tools that are told so, and says what a tool cannot be told. */
#include "api/format_layers.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool has_word(const char *words, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = words; length > 0 && (at = strstr(at, word)) != NULL; at++) {
		if (at > words && at[-1] == ' ' && at[length] == ' ') {
			return true;
		}
	}
	return false;
}

static bool can_be_said(const struct layer_tool *tool, const char *mode, const char *attribute,
			const char *item, const json_t *value)
{
	for (const struct layer_words *words = tool->words; words->modes != NULL; words++) {
		char *text = json_is_string(value)
				     ? mem_dup(json_string_value(value))
				     : mem_printf("%lld", (long long)json_integer_value(value));
		bool fits = words->values != NULL ? has_word(words->values, text)
						  : json_is_integer(value);

		free(text);
		if (fits && has_word(words->modes, mode) &&
		    strcmp(words->attribute, attribute) == 0 && strcmp(words->item, item) == 0) {
			return true;
		}
	}
	return false;
}

static bool has_mode(const struct layer_tool *tool, const char *mode)
{
	const struct layer_words *words = tool->words;

	while (words->modes != NULL && !has_word(words->modes, mode)) {
		words++;
	}
	return words->modes != NULL;
}

/* Whether the tool can be told all that is chosen for an operator. */
static int check(const struct layer_tool *tool, const char *name, const json_t *op,
		 struct err *reterr)
{
	static const char *const attributes[] = {"weight", "activation"};
	const char *mode = json_string_value(json_object_get(op, "mode"));
	const char *type = json_string_value(json_object_get(op, "type")), *item;
	json_t *value;

	if (!has_word(tool->types, type)) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "%s: %s quantizes no operator of the type %s", name, tool->name,
			       type);
	}
	if (!has_mode(tool, mode)) {
		return err_set(reterr, ERR_INVALID_FIELD, "%s is %s, which %s cannot express", name,
			       mode, tool->name);
	}
	for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
		json_object_foreach(json_object_get(op, attributes[i]), item, value) {
			if (!can_be_said(tool, mode, attributes[i], item, value)) {
				return err_set(
					reterr, ERR_INVALID_FIELD,
					"%s is %s: %s cannot express its %s.%s of this config",
					name, mode, tool->name, attributes[i], item);
			}
		}
	}
	return 0;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

/* Of "int8", "uint4" and the like; 0 where the name has none. */
static int64_t bits_of_dtype(const char *dtype)
{
	return strtoll(dtype + strcspn(dtype, "0123456789"), NULL, 10);
}

static int read_layer(const char *name, const json_t *op, struct layer *ret, struct err *reterr)
{
	const json_t *weight = json_object_get(op, "weight");
	const json_t *size = json_object_get(weight, "group_size");
	bool alone = strcmp(text_of(op, "mode"), "weight_only") == 0;
	const char *granularity = text_of(weight, "granularity");

	*ret = (struct layer){.name = name,
			      .mode = text_of(op, "mode"),
			      .bits = json_integer_value(json_object_get(weight, "bits")),
			      .group = json_integer_value(size) > 0 ? json_integer_value(size) : 0,
			      .asymmetric = strcmp(text_of(weight, "scheme"), "asym") == 0,
			      .algorithm = text_of(weight, "algorithm"),
			      .activation_scheme =
				      text_of(json_object_get(op, "activation"), "scheme")};
	if (ret->bits == 0) {
		ret->bits = bits_of_dtype(text_of(weight, "dtype"));
	}
	if (ret->bits == 0 && !alone) {
		ret->bits = 8;
	}
	if (strcmp(granularity, "per_tensor") == 0) {
		ret->group = LAYER_WHOLE;
	}
	if (ret->bits == 0 || (ret->group == 0 && strcmp(granularity, "per_group") == 0)) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "%s: this config does not say its weight.%s, and a file has to",
			       name, ret->bits == 0 ? "bits" : "group_size");
	}
	return 0;
}

/* These tools take names for patterns where they look like some, and for all operators of a type where they are its name. */
static int check_name(const struct layer_tool *tool, const char *name, struct err *reterr)
{
	if (strpbrk(name, "*?[") == NULL && strncmp(name, "re:", 3) != 0 &&
	    !has_word(tool->types, name)) {
		return 0;
	}
	return err_set(reterr, ERR_INVALID_FIELD,
		       "%s would be a pattern for %s and not this operator's name", name,
		       tool->name);
}

int layers_each(const json_t *config, const struct layer_tool *tool, layer_fn *add, void *arg,
		struct err *reterr)
{
	int rc = format_check_recipes(config, tool->name, reterr);
	bool any = false;
	const char *name;
	json_t *op;

	json_object_foreach(json_object_get(config, "ops"), name, op) {
		bool kept = strcmp(text_of(op, "mode"), "fp32") == 0;
		struct layer layer = {
			.name = name, .mode = "fp32", .algorithm = "", .activation_scheme = ""};

		any = any || !kept;
		rc = rc == 0 ? check_name(tool, name, reterr) : rc;
		rc = rc == 0 && !kept ? check(tool, name, op, reterr) : rc;
		rc = rc == 0 && !kept ? read_layer(name, op, &layer, reterr) : rc;
		rc = rc == 0 ? add(arg, &layer, reterr) : rc;
	}
	return rc == 0 && !any ? format_nothing_to_say(reterr) : rc;
}

int format_nothing_to_say(struct err *reterr)
{
	return err_set(reterr, ERR_INVALID_FIELD,
		       "no operator is quantized: the model as it is needs no recipe");
}

int layer_refuse(const struct layer *layer, const struct layer_tool *tool, const char *why,
		 struct err *reterr)
{
	return err_set(reterr, ERR_INVALID_FIELD, "%s is %s: %s, which %s cannot express",
		       layer->name, layer->mode, why, tool->name);
}

int format_check_recipes(const json_t *config, const char *tool, struct err *reterr)
{
	static const char done[] = " first_conv_or_matmul_quantization "
				   "last_conv_or_matmul_quantization "
				   "pre_post_process_quantization ";
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(config, "recipes"), name, value) {
		if (json_is_true(value) && !has_word(done, name)) {
			return err_set(reterr, ERR_INVALID_FIELD,
				       "%s cannot express the recipe %s of this config", tool,
				       name);
		}
	}
	return 0;
}
