/* Submits a job again from its spec, with another name and what the body says otherwise. */
#include "api/beside.h"
#include "api/jobs.h"
#include "api/resources.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "job/spec/spec_adviser.h"

/* The spec as it was submitted; with the secrets that it hides. */
static json_t *cloned_spec(const struct store_rows *rows)
{
	json_t *body = json_loads(rows->cells[JOB_SPEC], 0, NULL);
	json_t *target = json_loads(rows->cells[JOB_EVALUATOR], 0, NULL);
	json_t *spec = spec_secrets_restored(body, target);
	json_t *bare = spec_secrets_removed(target);

	(void)json_object_set_new(spec, "evaluator",
				  spec_target_restored(json_object_get(spec, "evaluator"), bare));
	json_decref(bare);
	json_decref(body);
	json_decref(target);
	return spec;
}

/* Of a name that ends with " (2)" the 2, and how long it is before that; else 1, and all of it. */
static long number_of(const char *name, size_t *ret_length)
{
	const char *open = strrchr(name, '(');
	char *end;
	long number;

	*ret_length = strlen(name);
	if (open == NULL || open < name + 2 || open[-1] != ' ' ||
	    !isdigit((unsigned char)open[1])) {
		return 1;
	}
	number = strtol(open + 1, &end, 10);
	if (end[0] != ')' || end[1] != '\0' || number < 2 || number >= INT_MAX) {
		return 1;
	}
	*ret_length = (size_t)(open - 1 - name);
	return number;
}

/* "digits" becomes "digits (2)", and that "digits (3)": lists would not tell it from its source. Too long a name
 * stays: false. */
static bool name_anew(json_t *spec)
{
	const char *name = json_string_value(json_object_get(spec, "name"));
	size_t length;
	long number;
	char *text;
	bool fits;

	if (name == NULL || name[0] == '\0') {
		return false;
	}
	number = number_of(name, &length);
	text = mem_printf("%.*s (%ld)", (int)length, name, number + 1);
	fits = strlen(text) <= LIMIT_NAME_BYTES;
	if (fits) {
		(void)json_object_set_new(spec, "name", json_string(text));
	}
	free(text);
	return fits;
}

/* Members of the body take the place of the spec's; in those that are made of settings which have
 * nothing to do with each other, each setting by itself. */
static void override(json_t *spec, json_t *body)
{
	static const char *const merged[] = {"tuning_criterion", "accuracy_criterion", "retry",
					     "labels"};
	json_t *mine = json_copy(body);

	for (size_t i = 0; i < sizeof(merged) / sizeof(merged[0]); i++) {
		json_t *part = json_object_get(mine, merged[i]);
		json_t *whole = json_object_get(spec, merged[i]);

		if (json_is_object(part) && json_is_object(whole)) {
			json_t *both = json_copy(whole);

			(void)json_object_update(both, part);
			(void)json_object_set_new(mine, merged[i], both);
		}
	}
	(void)json_object_update(spec, mine);
	json_decref(mine);
}

/* On a thread of the pool. */
static void clone_beside(struct call *call, const struct store_rows *rows)
{
	json_t *spec = cloned_spec(rows);

	call->older_rules =
		json_object_get(call->body, "rules") == NULL &&
		json_integer_value(json_object_get(spec, "rules")) < (json_int_t)RULES_NEWEST;
	(void)json_object_del(spec, "rules");
	(void)name_anew(spec);
	override(spec, call->body);
	if (json_is_true(json_object_get(spec, "warm_start"))) {
		(void)json_object_set_new(spec, "warm_start",
					  json_pack("{s:s}", "job", call->params[0]));
	} else if (json_is_false(json_object_get(spec, "warm_start"))) {
		(void)json_object_del(spec, "warm_start");
	}
	json_decref(call->body);
	call->body = spec;
	call->large_body = true;
}

static void find_name(struct call *call);

static void on_name(struct call *call, const struct store_rows *rows)
{
	if (rows->count > 0 && call->names < LIMIT_CLONE_NAMES && name_anew(call->body)) {
		find_name(call);
	} else {
		jobs_submit_body(call);
	}
}

/* Another job of the owner may have the name: the next number is tried then. Each one is looked for among all jobs, so the last of
 * many is taken whoever has it. */
static void find_name(struct call *call)
{
	const char *name = json_string_value(json_object_get(call->body, "name"));
	struct store_value values[6] = {
		{.is_null = true}, {.text = name}, {.is_null = true},
		{.is_null = true}, {.integer = 1}, call_only(call),
	};

	if (name == NULL) {
		jobs_submit_body(call);
	} else {
		call->names++;
		call_query(call, QUERY_JOBS, values, 6, on_name);
	}
}

static void clone_job(struct call *call, const struct store_rows *rows)
{
	bool named = json_object_get(call->body, "name") != NULL;

	if (call_found(call, rows, "job")) {
		beside_run(call, rows, clone_beside, named ? jobs_submit_body : find_name);
	}
}

static void find_source(struct call *call)
{
	call_find(call, QUERY_JOB, clone_job);
}

void jobs_clone(struct call *call)
{
	jobs_submit_once(call, find_source);
}
