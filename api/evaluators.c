/* Routes about registered evaluators: made, listed, changed, deleted, probed, and how they are. */
#include "api/idempotency.h"
#include "api/page.h"
#include "api/resources.h"
#include "api/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/url.h"
#include "tuner/wire.h"

/* One that is shared may be used by every owner; only admins share. False after answering. */
static bool may_share(struct call *call)
{
	const json_t *shared = json_object_get(call->body, "shared");
	struct err err;

	err_init(&err);
	if (shared == NULL || json_is_null(shared)) {
		(void)json_object_del(call->body, "shared");
		return true;
	}
	if (!json_is_boolean(shared)) {
		(void)err_fault(&err, "/shared", "it is true or false");
	} else if (json_is_true(shared) && access_only(&call->who) != NULL) {
		(void)err_set(&err, ERR_FORBIDDEN,
			      "to share an evaluator needs a token with the scope admin");
	}
	if (err.code != ERR_OK) {
		call_fail(call, &err);
	}
	return err.code == ERR_OK;
}

/*
 * Checks members and URL as a job's inline evaluator is checked; false after answering. `given` is
 * what the client sent.
 */
static bool check(struct call *call, const json_t *document, const json_t *given)
{
	struct err err, why;
	json_t *bare = json_copy((json_t *)document);
	struct json_at at = json_root(bare, &err);
	struct guard_url url;
	struct target target;

	err_init(&err);
	(void)json_object_del(bare, "shared"); /* of which jobs' own know nothing */
	spec_target_read(&at, &target);
	if (json_object_get(given, "id") != NULL) {
		(void)err_fault(&err, "/id", "the daemon gives the id");
	}
	if (err.code == ERR_OK &&
	    guard_check_url(call->server->guard, target.url, &url, &why) != 0) {
		(void)err_fault(&err, "/url", "%s", why.message);
		err.code = why.code;
	}
	wire_check(&at, &target);
	target_finish(&target);
	json_decref(bare);
	if (err.code != ERR_OK) {
		call_fail(call, &err);
	}
	return err.code == ERR_OK;
}

static void on_stored(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (call->request != NULL && rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		bool created = strcmp(call->route->method, "POST") == 0;
		char location[2 * CALL_PARAM_SIZE];

		if (created) {
			(void)snprintf(location, sizeof(location), "/v1/evaluators/%s", call->id);
			request_add_header(call->request, "Location", location);
		}
		call_reply_copy(call, created ? 201 : 200, call->state);
	}
	call_unref(call);
}

/* Stores `document` (with its secret still in it) under call->id. */
static void put(struct call *call, json_t *document, const char *created_at, const char *owner)
{
	json_t *hidden = spec_target_hidden(document);
	char *secrets = hidden != NULL ? json_text(hidden) : NULL, *kept;
	json_t *shown = spec_target_redacted(document);
	const struct store_key *key;
	char location[2 * CALL_PARAM_SIZE];

	json_decref(hidden);
	(void)json_object_set_new(shown, "id", json_string(call->id));
	(void)json_object_set_new(shown, "created_at", json_string(created_at));
	kept = json_text(shown);
	(void)json_object_set_new(shown, "owner", json_string(owner));
	call->state = json_text(shown);
	call->state_destroy = free;
	json_decref(shown);
	(void)snprintf(location, sizeof(location), "/v1/evaluators/%s", call->id);
	key = idempotency_key(call, 201, location);
	call->stored.body = call->state;
	call_ref(call);
	store_evaluator_put(call->server->store, call->id, kept, secrets, owner, key, on_stored,
			    call);
	free(kept);
	free(secrets);
}

static void create(struct call *call)
{
	char at[CLOCK_TEXT_SIZE];

	id_make(call->id, "evl_");
	if (json_object_get(call->body, "max_concurrency") == NULL) {
		/* Stored, since those that were registered without it keep the 4 of their time. */
		(void)json_object_set_new(call->body, "max_concurrency", json_integer(1));
	}
	put(call, call->body, clock_format(clock_wall_ms(), at), call->who.owner);
}

void evaluators_create(struct call *call)
{
	if (may_share(call) && check(call, call->body, call->body)) {
		idempotency_run(call, create);
	}
}

void evaluators_list(struct call *call)
{
	call_may_wait(call, STORE_EVALUATORS);
	page_of_documents(call, QUERY_EVALUATORS);
}

static bool may_change(struct call *call, const struct store_rows *rows)
{
	char tag[CALL_TAG_SIZE];

	return call_found(call, rows, "evaluator") &&
	       call_may_change(call, call_text_tag(rows->cells[0], tag));
}

static void reply(struct call *call, const struct store_rows *rows)
{
	if (call_found(call, rows, "evaluator")) {
		call_reply_copy(call, 200, rows->cells[0]);
	}
}

void evaluators_get(struct call *call)
{
	call_may_wait(call, STORE_EVALUATORS);
	call_find(call, QUERY_EVALUATOR, reply);
}

/* The stored members with what is hidden put back. New reference. */
static json_t *whole(const struct store_rows *rows)
{
	json_t *document = json_loads(rows->cells[0], 0, NULL);
	json_t *secrets = rows->cells[1] != NULL ? json_loads(rows->cells[1], 0, NULL) : NULL;

	if (secrets != NULL) {
		(void)json_object_update(document, secrets);
	}
	json_decref(secrets);
	return document;
}

static void health(struct call *call, const struct store_rows *rows)
{
	json_t *document;

	if (!call_found(call, rows, "evaluator")) {
		return;
	}
	document = whole(rows);
	call_reply_json(
		call, 200,
		tuner_evaluator_health(call->server->tuner,
				       json_string_value(json_object_get(document, "url"))));
	json_decref(document);
}

void evaluators_health(struct call *call)
{
	call_find(call, QUERY_EVALUATOR, health);
}

/* A URL as it was shown, sent back, is no other one. */
static void forget_shown_url(json_t *body, const json_t *document)
{
	const char *given = json_string_value(json_object_get(body, "url"));
	char *shown = url_shown(json_string_value(json_object_get(document, "url")));

	if (given != NULL && strcmp(given, shown) == 0) {
		(void)json_object_del(body, "url");
	}
	free(shown);
}

static void patch(struct call *call, const struct store_rows *rows)
{
	json_t *document;
	char created_at[CLOCK_TEXT_SIZE], owner[LIMIT_OWNER_BYTES + 1];

	if (!may_change(call, rows) || !may_share(call)) {
		return;
	}
	document = whole(rows);
	(void)snprintf(created_at, sizeof(created_at), "%s",
		       json_string_value(json_object_get(document, "created_at")));
	(void)snprintf(owner, sizeof(owner), "%s",
		       json_string_value(json_object_get(document, "owner")));
	(void)json_object_del(document, "created_at");
	(void)json_object_del(document, "owner");
	(void)json_object_del(document, "id");
	forget_shown_url(call->body, document);
	(void)json_object_update(document, call->body);
	if (check(call, document, call->body)) {
		(void)snprintf(call->id, sizeof(call->id), "%s", call->params[0]);
		put(call, document, created_at, owner);
	}
	json_decref(document);
}

void evaluators_patch(struct call *call)
{
	call_find(call, QUERY_EVALUATOR, patch);
}

static void delete(struct call *call, const struct store_rows *rows)
{
	if (may_change(call, rows)) {
		call_ref(call);
		store_evaluator_delete(call->server->store, call->params[0], call_on_deleted, call);
	}
}

void evaluators_delete(struct call *call)
{
	call_find(call, QUERY_EVALUATOR, delete);
}

static void on_probed(void *arg, json_t *capability, const struct err *err)
{
	struct call *call = arg;
	double elapsed = (double)(clock_mono_ms() - call->started_ms) / 1000;

	call->probe = NULL;
	if (capability != NULL) {
		tuner_evaluator_is_well(call->server->tuner, call->target.url);
	}
	call_reply_json(call, 200,
			json_pack("{s:b, s:f, s:O?, s:s?}", "ok", capability != NULL, "elapsed_s",
				  elapsed, "capability", capability, "error",
				  capability != NULL ? NULL : err->message));
}

static void probe(struct call *call, const struct store_rows *rows)
{
	struct json_at at;
	struct wire keep;
	struct err err;
	json_t *document;

	if (!call_found(call, rows, "evaluator")) {
		return;
	}
	document = whole(rows);
	(void)json_object_del(document, "created_at");
	(void)json_object_del(document, "owner");
	(void)json_object_del(document, "shared");
	err_init(&err);
	at = json_root(document, &err);
	spec_target_read(&at, &call->target);
	json_decref(document);
	if (wire_endpoint(&call->target, &keep, &call->endpoint, &err) != 0) {
		call_fail(call, &err);
	} else {
		call->started_ms = clock_mono_ms();
		call->probe =
			endpoint_capability(call->server->fetch, &call->endpoint, on_probed, call);
	}
	wire_forget(&keep, &call->endpoint);
}

void evaluators_probe(struct call *call)
{
	static const char *const no_members[] = {NULL};

	if (call_body_has_only(call, no_members)) {
		call_find(call, QUERY_EVALUATOR, probe);
	}
}
