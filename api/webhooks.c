/* Routes about webhooks: checked, made with their secrets, listed, deleted, tried out. */
#include "api/idempotency.h"
#include "api/page.h"
#include "api/resources.h"
#include "api/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sign.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/url.h"
#include "job/job.h"

static const char *const members[] = {"name", "url", "events", "secret", "job", "labels", NULL};

/* The log's own types, and "job.<state>" for a change to that state. */
static bool is_event_type(const char *name)
{
	static const char prefix[] = "job.";

	if (logged_find(name) != LOGGED_TYPES_) {
		return true;
	}
	if (strncmp(name, prefix, sizeof(prefix) - 1) != 0) {
		return false;
	}
	for (int s = 0; job_state_names[s] != NULL; s++) {
		if (strcmp(job_state_names[s], name + sizeof(prefix) - 1) == 0) {
			return true;
		}
	}
	return false;
}

static void check_events(const struct json_at *events)
{
	struct map seen;

	if (!json_required(events) || !json_is_array_at(events, LIMIT_WEBHOOK_EVENTS)) {
		return;
	}
	if (json_array_size(events->value) == 0) {
		(void)json_fault(events, "at least one type of event is needed");
	}
	map_init(&seen);
	for (size_t i = 0; i < json_array_size(events->value); i++) {
		struct json_at item = json_item(events, i);
		const char *name =
			json_required(&item) ? json_string_in(&item, NULL, LIMIT_NAME_BYTES) : NULL;

		if (name == NULL) {
			continue;
		}
		if (!is_event_type(name)) {
			(void)json_fault(&item, "there is no type of event \"%.80s\"", name);
		} else if (map_get(&seen, name, 0) != 0) {
			(void)json_fault(&item, "\"%s\" is given twice", name);
		}
		map_set(&seen, name, 1);
	}
	map_finish(&seen);
}

static void check_url(struct call *call, const struct json_at *at)
{
	const char *url = json_required(at) ? json_string_in(at, NULL, LIMIT_URL_BYTES) : NULL;
	struct guard_url parsed;
	struct err why;

	if (url != NULL && guard_check_url(call->server->guard, url, &parsed, &why) != 0) {
		(void)json_fault(at, "%s", why.message);
		at->err->code = why.code;
	}
}

static void check_secret(const struct json_at *at)
{
	const char *text = json_string_in(at, NULL, LIMIT_NAME_BYTES);
	struct secret secret = {0};
	struct err why;

	if (text != NULL && sign_secret_parse(text, &secret, &why) != 0) {
		(void)json_fault(at, "%s", why.message);
	}
	secret_finish(&secret);
}

/* False after answering. */
static bool check(struct call *call)
{
	struct err err;
	struct json_at at = json_root(call->body, &err);
	struct json_at name = json_member(&at, "name");
	struct json_at url = json_member(&at, "url");
	struct json_at events = json_member(&at, "events");
	struct json_at secret = json_member(&at, "secret");
	struct json_at job = json_member(&at, "job");
	struct json_at labels = json_member(&at, "labels");
	const char *text;

	err_init(&err);
	json_only(&at, members);
	(void)json_string_in(&name, NULL, LIMIT_NAME_BYTES);
	check_events(&events);
	check_secret(&secret);
	text = json_string_in(&job, NULL, LIMIT_NAME_BYTES);
	if (text != NULL && !id_valid(text, "job_")) {
		(void)json_fault(&job, "this is no id of a job");
	}
	json_decref(spec_labels_read(&labels, RULES_NEWEST));
	check_url(call, &url);
	if (err.code != ERR_OK) {
		call_fail(call, &err);
	}
	return err.code == ERR_OK;
}

static void on_created(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;
	char location[2 * CALL_PARAM_SIZE];

	if (call->request != NULL && rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		(void)snprintf(location, sizeof(location), "/v1/webhooks/%s", call->id);
		request_add_header(call->request, "Location", location);
		call_reply_copy(call, 201, call->state);
	}
	call_unref(call);
}

/* What is kept and shown of a webhook; its secret is not. New reference. */
static json_t *make_document(const struct call *call)
{
	struct err err;
	const struct json_at at = json_root(call->body, &err);
	const struct json_at labels = json_member(&at, "labels");
	char created_at[CLOCK_TEXT_SIZE];
	char *url = url_shown(json_string_value(json_object_get(call->body, "url")));
	json_t *document;

	document = json_pack("{s:s, s:O?, s:s, s:O, s:O?, s:o, s:{s:b}, s:s}", "id", call->id,
			     "name", json_object_get(call->body, "name"), "url", url, "events",
			     json_object_get(call->body, "events"), "job",
			     json_object_get(call->body, "job"), "labels",
			     spec_labels_read(&labels, RULES_NEWEST), "secret", "set", 1,
			     "created_at", clock_format(clock_wall_ms(), created_at));
	free(url);
	return document;
}

/* What is kept and not shown. The caller frees. */
static char *make_secrets(const struct call *call, const char *secret)
{
	json_t *secrets = json_pack("{s:s, s:O}", "secret", secret, "url",
				    json_object_get(call->body, "url"));
	char *text = json_text(secrets);

	json_decref(secrets);
	return text;
}

/* A secret that was made up is in the answer, and nowhere else. */
static void create(struct call *call)
{
	const char *given = json_string_value(json_object_get(call->body, "secret"));
	char made[SIGN_SECRET_SIZE] = "";
	char location[2 * CALL_PARAM_SIZE];
	const struct store_key *key;
	json_t *document;
	char *kept, *secrets;

	id_make(call->id, "whk_");
	document = make_document(call);
	kept = json_text(document);
	(void)json_object_set_new(document, "owner", json_string(call->who.owner));
	(void)json_object_set_new(document, "state", json_string("active"));
	(void)json_object_set_new(document, "error", json_null());
	if (given == NULL) {
		sign_secret_make(made);
		(void)json_object_set_new(document, "secret", json_string(made));
	}
	call->state = json_text(document);
	call->state_destroy = free;
	json_decref(document);
	(void)snprintf(location, sizeof(location), "/v1/webhooks/%s", call->id);
	key = idempotency_key(call, 201, location);
	call->stored.body = call->state;
	call_ref(call);
	secrets = make_secrets(call, given != NULL ? given : made);
	store_webhook_put(call->server->store, call->id, kept, secrets, call->who.owner, key,
			  on_created, call);
	free(secrets);
	free(kept);
}

void webhooks_create(struct call *call)
{
	if (check(call)) {
		idempotency_run(call, create);
	}
}

void webhooks_list(struct call *call)
{
	call_may_wait(call, STORE_WEBHOOKS);
	page_of_documents(call, QUERY_WEBHOOKS);
}

static void reply(struct call *call, const struct store_rows *rows)
{
	if (call_found(call, rows, "webhook")) {
		call_reply_copy(call, 200, rows->cells[0]);
	}
}

void webhooks_get(struct call *call)
{
	call_may_wait(call, STORE_WEBHOOKS);
	call_find(call, QUERY_WEBHOOK, reply);
}

static void delete(struct call *call, const struct store_rows *rows)
{
	char tag[CALL_TAG_SIZE];

	if (call_found(call, rows, "webhook") &&
	    call_may_change(call, call_text_tag(rows->cells[0], tag))) {
		call_ref(call);
		store_webhook_delete(call->server->store, call->params[0], call_on_deleted, call);
	}
}

void webhooks_delete(struct call *call)
{
	call_find(call, QUERY_WEBHOOK, delete);
}

static void on_test_kept(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		call_reply_copy(call, 200, call->state);
	}
	call_unref(call);
}

/* A receiver that takes messages wants them: its webhook is enabled by that. */
static void on_tested(void *arg, const struct webhook_result *result)
{
	struct call *call = arg;
	struct store *store = call->server->store;
	const struct store_key *key = idempotency_key(call, 200, NULL);
	json_t *status = result->status > 0 ? json_integer(result->status) : json_null();
	json_t *report = json_pack("{s:b, s:o, s:f, s:s?}", "ok", result->delivered, "status",
				   status, "elapsed_s", (double)result->elapsed_ms / 1000, "error",
				   result->delivered ? NULL : result->err->message);

	call->test = NULL;
	call->state = json_text(report);
	call->state_destroy = free;
	json_decref(report);
	call->stored.body = call->state;
	call_ref(call);
	if (result->delivered) {
		store_webhook_enable(store, call->params[0], key, on_test_kept, call);
	} else if (key != NULL) {
		store_key_put(store, key, on_test_kept, call);
	} else {
		on_test_kept(call, 0, NULL);
	}
}

static void send_test(struct call *call, const struct store_rows *rows)
{
	struct secret secret;

	if (!call_found(call, rows, "webhook")) {
		return;
	}
	/* It was checked when the webhook was registered. */
	(void)sign_secret_parse(rows->cells[2], &secret, NULL);
	call->test = courier_test(call->server->courier, call->params[0], rows->cells[1], &secret,
				  on_tested, call);
	secret_finish(&secret);
}

static void test(struct call *call)
{
	call_find(call, QUERY_WEBHOOK, send_test);
}

void webhooks_test(struct call *call)
{
	static const char *const no_members[] = {NULL};

	if (call_body_has_only(call, no_members)) {
		idempotency_run(call, test);
	}
}
