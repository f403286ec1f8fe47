#include "tuner/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/query.h"
#include "tuner/spec_adviser.h"

/*
 * A job body becomes a prepared job in up to four steps: look the evaluator up when it is named
 * by id, put its URL to the guard, ask it for its capability when the body brings none, read what
 * the job to start warm from has found. The user hears of every fault at submission, and what is
 * stored never needs asking again.
 */
struct preparation {
	struct tuner *tuner;
	struct prepared *prepared;
	struct target target; /* while the capability is asked for */
	struct endpoint endpoint;
	struct store_query_call *query;
	struct endpoint_call *call;
	struct loop_task task;
	struct err err;
	tuner_prepared_fn fn;
	void *arg;
};

void prepared_destroy(struct prepared *prepared)
{
	if (prepared == NULL) {
		return;
	}
	spec_destroy(prepared->spec);
	json_decref(prepared->body);
	json_decref(prepared->capability);
	json_decref(prepared->target);
	json_decref(prepared->history);
	free(prepared);
}

void tuner_prepare_cancel(struct preparation *p)
{
	if (p == NULL) {
		return;
	}
	if (p->query != NULL) {
		store_query_cancel(p->query);
	}
	if (p->call != NULL) {
		endpoint_cancel(p->call);
	}
	loop_cancel(p->tuner->options.loop, &p->task);
	target_finish(&p->target);
	prepared_destroy(p->prepared);
	free(p);
}

static void deliver(void *arg)
{
	struct preparation *p = arg;
	struct prepared *prepared = p->err.code == ERR_OK ? p->prepared : NULL;

	if (prepared != NULL) {
		p->prepared = NULL;
	}
	p->fn(p->arg, prepared, &p->err);
	tuner_prepare_cancel(p);
}

static void finish_later(struct preparation *p)
{
	loop_defer(p->tuner->options.loop, &p->task, deliver, p);
}

static void on_history(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct preparation *p = arg;

	p->query = NULL;
	p->prepared->history = json_array();
	if (rc != 0) {
		(void)err_set(&p->err, err->code, "%s", err->message);
	}
	for (size_t i = 0; rc == 0 && i < rows->count; i++) {
		char *const *cells = &rows->cells[i * rows->columns];
		json_t *event = json_loads(cells[1], 0, NULL),
		       *told = json_loads(cells[2], 0, NULL);

		(void)json_object_update(event, told);
		json_decref(told);
		(void)json_array_append_new(p->prepared->history, event);
	}
	finish_later(p);
}

static void check_source(struct preparation *p, const struct store_rows *rows)
{
	struct err why;
	struct spec *source =
		rows->count > 0 ? spec_load(rows->cells[JOB_SPEC], rows->cells[JOB_CAPABILITY],
					    rows->cells[JOB_EVALUATOR], &why)
				: NULL;
	char *difference;

	if (source == NULL) {
		(void)err_fault(&p->err, "/warm_start/job", "%s",
				rows->count > 0 ? "the job cannot be read any more"
						: "no job has this id");
		return;
	}
	difference = space_difference(source->space, p->prepared->spec->space);
	if (difference != NULL) {
		(void)err_fault(&p->err, "/warm_start/job",
				"its tuning space is not this job's: %s", difference);
	}
	free(difference);
	spec_destroy(source);
}

static void on_source(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct preparation *p = arg;
	struct store_value id = {.text = p->prepared->spec->warm_start};

	p->query = NULL;
	if (rc != 0) {
		(void)err_set(&p->err, err->code, "%s", err->message);
	} else {
		check_source(p, rows);
	}
	if (p->err.code != ERR_OK) {
		finish_later(p);
		return;
	}
	p->query = store_query(p->tuner->options.store, QUERY_ANSWERED, &id, 1, on_history, p);
}

static void make_spec(struct preparation *p)
{
	struct prepared *prepared = p->prepared;
	struct store_value id = {0};

	prepared->spec =
		spec_create(prepared->body, prepared->capability, prepared->target, &p->err);
	if (prepared->spec != NULL) {
		(void)spec_adviser_check(prepared->spec, p->tuner->options.guard, &p->err);
	}
	if (p->err.code != ERR_OK || prepared->spec->warm_start == NULL) {
		finish_later(p);
		return;
	}
	id.text = prepared->spec->warm_start;
	p->query = store_query(p->tuner->options.store, QUERY_JOB, &id, 1, on_source, p);
}

static void on_capability(void *arg, json_t *capability, const struct err *err)
{
	struct preparation *p = arg;

	p->call = NULL;
	if (capability == NULL) {
		(void)err_fault(&p->err, "/evaluator",
				"the job has no capability and the evaluator gave none: %s",
				err->message);
		finish_later(p);
		return;
	}
	p->prepared->capability = json_incref(capability);
	make_spec(p);
}

static void with_target(struct preparation *p)
{
	const struct guard *guard = p->tuner->options.guard;
	json_t *capability = json_object_get(p->prepared->body, "capability");
	struct json_at body = json_root(p->prepared->body, &p->err);
	struct json_at at = {
		.value = p->prepared->target, .parent = &body, .key = "evaluator", .err = &p->err};
	struct guard_url url;
	struct err why;

	spec_target_read(&at, &p->target);
	if (p->target.url != NULL && p->err.code == ERR_OK && guard != NULL &&
	    guard_check_url(guard, p->target.url, &url, &why) != 0) {
		(void)err_fault(&p->err, "/evaluator/url", "%s", why.message);
		p->err.code = why.code;
	}
	if (p->err.code != ERR_OK) {
		finish_later(p);
		return;
	}
	if (capability != NULL && !json_is_null(capability)) {
		p->prepared->capability = json_incref(capability);
		make_spec(p);
		return;
	}
	if (p->target.pool != NULL) {
		(void)err_fault(&p->err, "/capability",
				"a pool of workers cannot be asked for it: give the capability");
		finish_later(p);
		return;
	}
	p->endpoint = (struct endpoint){
		.url = p->target.url,
		.secret = p->target.secret,
		.connect_timeout_ms = (uint64_t)p->target.connect_timeout_ms,
		.timeout_ms = (uint64_t)p->target.timeout_ms,
	};
	p->call = endpoint_capability(p->tuner->options.fetch, &p->endpoint, on_capability, p);
}

static void on_evaluator(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	static const char *const kept[] = {
		"id", "name", "url", "timeout_s", "connect_timeout_s", "max_concurrency"};
	struct preparation *p = arg;
	json_t *document, *secrets;

	p->query = NULL;
	if (rc != 0 || rows->count == 0) {
		(void)(rc != 0 ? err_set(&p->err, err->code, "%s", err->message)
			       : err_fault(&p->err, "/evaluator/id",
					   "no evaluator has this id; see /v1/evaluators"));
		finish_later(p);
		return;
	}
	document = json_loads(rows->cells[0], 0, NULL);
	secrets = rows->cells[1] != NULL ? json_loads(rows->cells[1], 0, NULL) : NULL;
	p->prepared->target = json_object();
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		json_t *value = json_object_get(document, kept[i]);

		if (value != NULL && !json_is_null(value)) {
			(void)json_object_set(p->prepared->target, kept[i], value);
		}
	}
	if (json_object_get(secrets, "secret") != NULL) {
		(void)json_object_set(p->prepared->target, "secret",
				      json_object_get(secrets, "secret"));
	}
	json_decref(document);
	json_decref(secrets);
	with_target(p);
}

static void find_target(struct preparation *p)
{
	static const char *const id_only[] = {"id", NULL};
	struct json_at body = json_root(p->prepared->body, &p->err);
	struct json_at at = json_member(&body, "evaluator");
	struct json_at id = json_member(&at, "id");
	struct store_value value = {0};

	if (!json_required(&at) || !json_is_object_at(&at)) {
		finish_later(p);
		return;
	}
	if (id.value == NULL) {
		if (json_object_get(at.value, "pool") == NULL && p->tuner->options.guard != NULL &&
		    guard_policy_of(p->tuner->options.guard) == GUARD_REGISTERED) {
			(void)json_fault(&at, "only registered evaluators are allowed here: "
					      "give an \"id\"");
			finish_later(p);
			return;
		}
		p->prepared->target = json_incref(at.value);
		with_target(p);
		return;
	}
	json_only(&at, id_only);
	value.text = json_string_in(&id, NULL, ID_SIZE);
	if (p->err.code != ERR_OK) {
		finish_later(p);
		return;
	}
	p->query =
		store_query(p->tuner->options.store, QUERY_EVALUATOR, &value, 1, on_evaluator, p);
}

struct preparation *tuner_prepare(struct tuner *tuner, json_t *body, tuner_prepared_fn fn,
				  void *arg)
{
	struct preparation *p = mem_new(1, sizeof(*p));

	p->tuner = tuner;
	p->fn = fn;
	p->arg = arg;
	p->prepared = mem_new(1, sizeof(*p->prepared));
	p->prepared->body = json_incref(body);
	list_init(&p->task.node);
	err_init(&p->err);
	find_target(p);
	return p;
}
