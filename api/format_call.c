/* Puts the options of all operators together into one call, and says where they do not go together. */
#include "api/format_call.h"

#include <string.h>
#include <strings.h>

#include "api/format_layers.h"

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

void format_call_add_type(struct format_call *made, const char *type)
{
	size_t i;
	json_t *had;

	json_array_foreach(made->types, i, had) {
		if (strcmp(json_string_value(had), type) == 0) {
			return;
		}
	}
	(void)json_array_append_new(made->types, json_string(type));
}

static const struct call_rule *find_rule(const struct call_rule *rule, const char *attribute,
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
static int say(struct format_call *made, const char *name, const char *attribute, const char *item,
	       json_t *value, struct err *reterr)
{
	static const char extra[] = "extra:";
	const struct call_rule *rule = find_rule(made->function->rules, attribute, item, value);
	json_t *said, *had, *into = made->arguments;
	const char *argument;

	if (rule == NULL) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "%s: %s's %s() has no argument for %s.%s of this config", name,
			       made->tool, made->function->name, attribute, item);
	}
	if (rule->argument == NULL) {
		return 0;
	}
	argument = rule->argument;
	if (strncmp(argument, extra, sizeof(extra) - 1) == 0) {
		argument += sizeof(extra) - 1;
		into = made->extra;
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
			       name, attribute, item, made->first, made->function->name, argument);
	}
	(void)json_object_set_new(into, argument, said);
	return 0;
}

static int say_all(struct format_call *made, const char *name, const json_t *op, struct err *reterr)
{
	static const char *const attributes[] = {"weight", "activation"};
	const char *item;
	json_t *value;

	for (int i = 0; i < 2; i++) {
		json_object_foreach(json_object_get(op, attributes[i]), item, value) {
			int rc = say(made, name, attributes[i], item, value, reterr);

			if (rc != 0) {
				return rc;
			}
		}
	}
	return 0;
}

/* The function of the first quantized operator is that of all. */
static int choose(struct format_call *made, const char *name, const char *mode, struct err *reterr)
{
	const struct call_function *function = NULL;

	for (const struct call_function *one = made->functions; one->mode != NULL; one++) {
		function = strcmp(one->mode, mode) == 0 ? one : function;
	}
	if (function == NULL) {
		return err_set(reterr, ERR_INVALID_FIELD, "%s: no function of %s makes it %s", name,
			       made->tool, mode);
	}
	if (made->function != NULL && made->function != function) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "%s is %s and %s is %s: no one function of %s does both", name, mode,
			       made->first, made->function->mode, made->tool);
	}
	made->first = made->function == NULL ? name : made->first;
	made->function = function;
	return 0;
}

static int add_op(struct format_call *made, const char *name, const json_t *op, struct err *reterr)
{
	const char *mode = text_of(op, "mode"), *type = text_of(op, "type");
	int rc;

	if (strcmp(mode, "fp32") == 0) {
		(void)json_array_append_new(made->excluded, json_string(name));
		return 0;
	}
	rc = choose(made, name, mode, reterr);
	if (rc == 0 && !is_among(made->function->types, type)) {
		rc = err_set(reterr, ERR_INVALID_FIELD,
			     "%s: %s quantizes no operator of the type %s", name,
			     made->function->name, type);
	}
	if (rc == 0) {
		format_call_add_type(made, type);
		rc = say_all(made, name, op, reterr);
	}
	return rc;
}

int format_call_make(struct format_call *made, const json_t *config, const char *tool,
		     const struct call_function *functions, struct err *reterr)
{
	int rc = format_check_recipes(config, tool, reterr);
	const char *name;
	json_t *op;

	*made = (struct format_call){.tool = tool,
				     .functions = functions,
				     .arguments = json_object(),
				     .extra = json_object(),
				     .types = json_array(),
				     .excluded = json_array()};
	json_object_foreach(json_object_get(config, "ops"), name, op) {
		rc = rc == 0 ? add_op(made, name, op, reterr) : rc;
	}
	if (rc == 0 && made->function == NULL) {
		rc = format_nothing_to_say(reterr);
	}
	return rc;
}

void format_call_finish(struct format_call *made)
{
	json_decref(made->arguments);
	json_decref(made->extra);
	json_decref(made->types);
	json_decref(made->excluded);
}
