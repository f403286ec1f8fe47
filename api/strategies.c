/* Routes about strategies: what each is called, takes, needs and is good for. */
#include "api/resources.h"
#include "strategies/registry.h"
#include "strategies/stage_words.h"

static json_t *param_schema(const struct param *p)
{
	static const char *const types[] = {
		[PARAM_INTEGER] = "integer",
		[PARAM_REAL] = "number",
		[PARAM_BOOL] = "boolean",
		[PARAM_TEXT] = "string",
	};
	json_t *schema = json_pack("{s:s, s:s}", "type", types[p->type], "description", p->help);

	if (p->type == PARAM_INTEGER || p->type == PARAM_REAL) {
		(void)json_object_update_new(schema,
					     json_pack("{s:f, s:f, s:f}", "default", p->fallback,
						       "minimum", p->min, "maximum", p->max));
	} else if (p->type == PARAM_BOOL) {
		(void)json_object_set_new(schema, "default", json_boolean(p->fallback != 0));
	} else if (p->text_fallback != NULL) {
		(void)json_object_set_new(schema, "default", json_string(p->text_fallback));
	}
	if (p->secret) {
		(void)json_object_set_new(schema, "writeOnly", json_true());
	}
	if (p->choices != NULL) {
		json_t *list = json_array();

		for (size_t i = 0; p->choices[i] != NULL; i++) {
			(void)json_array_append_new(list, json_string(p->choices[i]));
		}
		(void)json_object_set_new(schema, "enum", list);
	}
	return schema;
}

static json_t *kwargs_schema(const struct strategy_ops *ops)
{
	json_t *properties = json_object();
	json_t *required = json_array();

	for (const struct param *p = ops->params; p != NULL && p->name != NULL; p++) {
		(void)json_object_set_new(properties, p->name, param_schema(p));
		if (p->required) {
			(void)json_array_append_new(required, json_string(p->name));
		}
	}
	return json_pack("{s:s, s:b, s:o, s:o}", "type", "object", "additionalProperties", 0,
			 "properties", properties, "required", required);
}

static const char *origin(const struct strategy_ops *ops)
{
	if (ops->adviser == ADVISER_REMOTE) {
		return "remote";
	}
	return registry_is_added(ops) ? "plug_in" : "built_in";
}

static json_t *document(const struct strategy_ops *ops)
{
	json_t *asks = json_pack("[s]", "evaluate");

	for (const char *const *need = ops->needs; need != NULL && *need != NULL; need++) {
		(void)json_array_append_new(asks, json_string(*need));
	}
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:o, s:o}", "name", ops->name, "summary",
			 ops->summary, "when", ops->when, "version", (json_int_t)ops->version,
			 "origin", origin(ops), "asks", asks, "strategy_kwargs",
			 kwargs_schema(ops));
}

static json_t *stages(void)
{
	json_t *all = json_object();

	for (const struct stage_words *stage = stage_words; stage->name != NULL; stage++) {
		(void)json_object_set_new(all, stage->name, json_string(stage->words));
	}
	return all;
}

void strategies_list(struct call *call)
{
	json_t *items = json_array();

	for (size_t i = 0; strategies[i] != NULL; i++) {
		(void)json_array_append_new(items, document(strategies[i]));
	}
	call_reply_json(call, 200,
			json_pack("{s:o, s:n, s:o}", "items", items, "next", "stages", stages()));
}

void strategies_get(struct call *call)
{
	const struct strategy_ops *ops = strategy_find(call->params[0]);

	if (ops == NULL) {
		call_error(call, ERR_NOT_FOUND, "there is no strategy %s", call->params[0]);
		return;
	}
	call_reply_json(call, 200, document(ops));
}
