/* Routes about jobs as a whole: submitted, cloned, listed, read, controlled, edited, deleted. */
#include "api/document.h"
#include "api/http/header.h"
#include "api/idempotency.h"
#include "api/journal.h"
#include "api/jobs.h"
#include "api/page.h"
#include "api/resources.h"
#include "api/router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tuner/live.h"

static void answer_job(struct call *call, const struct store_rows *rows)
{
	bool created =
		strcmp(call->route->method, "POST") == 0 && strcmp(call->id, call->params[0]) != 0;
	char strong[CALL_TAG_SIZE], tag[CALL_TAG_SIZE + 2];

	if (!call_found(call, rows, "job")) {
		return;
	}
	(void)snprintf(
		tag, sizeof(tag), "W/%s",
		document_tag(call, call->id, strtoll(rows->cells[JOB_VERSION], NULL, 10), strong));
	request_add_header(call->request, "ETag", tag);
	document_reply(call, created ? 201 : 200, rows->cells[JOB_DOCUMENT]);
}

static void read_answer(struct call *call, const char *id)
{
	struct store_value value = {.text = id};

	call_query(call, QUERY_JOB, &value, 1, answer_job);
}

/* A first answer under a key is the one that was stored, so that a repeat is the same. */
static void answer_stored(struct call *call, const struct store_rows *rows)
{
	if (rows->count == 0) {
		read_answer(call, call->id);
		return;
	}
	call_reply_copy(call, atoi(rows->cells[1]), rows->cells[3]);
}

static void answer(struct call *call)
{
	struct store_value values[] = {{.text = call->who.owner}, {.text = call->key}};

	if (call->key != NULL) {
		call_query(call, QUERY_KEY, values, 2, answer_stored);
	} else {
		read_answer(call, call->id);
	}
}

/* A write is over. The client may be gone by now. */
static void on_written(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (call->request != NULL && rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		journal_job(call, call->id);
		answer(call);
	}
	call_unref(call);
}

static void on_submitted(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (call->request != NULL && rc == 0) {
		char *location = mem_printf("/v1/jobs/%s", call->id);

		request_add_header(call->request, "Location", location);
		free(location);
	}
	on_written(arg, rc, err);
}

static void on_prepared(void *arg, struct prepared *prepared, const struct err *err)
{
	struct call *call = arg;
	char location[2 * CALL_PARAM_SIZE];

	call->preparation = NULL;
	if (prepared == NULL) {
		call_fail(call, err);
		return;
	}
	call_ref(call);
	id_make(call->id, "job_");
	(void)snprintf(location, sizeof(location), "/v1/jobs/%s", call->id);
	tuner_submit(call->server->tuner, prepared, idempotency_key(call, 201, location), call->id,
		     on_submitted, call);
}

/* Its measurements are read in several steps. One that is just being deleted is not found. */
static void hold_source(struct call *call)
{
	const json_t *warm = json_object_get(call->body, "warm_start");

	call->source.job = json_string_value(json_object_get(warm, "job"));
	if (call->source.job != NULL) {
		(void)store_hold(call->server->store, &call->source);
	}
}

void jobs_submit_body(struct call *call)
{
	const struct prepare_request request = {.body = call->body,
						.owner = call->who.owner,
						.only = access_only(&call->who),
						.newer_rules = call->older_rules};

	if (!call_may_submit(call, false)) {
		return;
	}
	hold_source(call);
	call->preparation = tuner_prepare(call->server->tuner, &request, on_prepared, call);
}

void jobs_submit_once(struct call *call, call_fn *run)
{
	if (call->server->draining) {
		call_error(call, ERR_DRAINING, "the daemon is stopping");
		return;
	}
	idempotency_run(call, run);
}

void jobs_submit(struct call *call)
{
	jobs_submit_once(call, jobs_submit_body);
}

/* A list says what is out, too, but not how the time goes by: its ETag is made of its text. */
static char *live_text(struct call *call, const char *text)
{
	json_t *document = json_loads(text, 0, NULL);
	char *live;

	tuner_live(call->server->tuner, json_string_value(json_object_get(document, "id")), false,
		   document);
	live = json_text(document);
	json_decref(document);
	return live;
}

static void on_jobs(struct call *call, const struct store_rows *rows)
{
	struct store_rows live = *rows;

	live.cells = mem_new(rows->count * rows->columns, sizeof(*live.cells));
	for (size_t i = 0; i < rows->count * rows->columns; i++) {
		live.cells[i] =
			i % rows->columns == 0 ? live_text(call, rows->cells[i]) : rows->cells[i];
	}
	page_reply(call, &live, 1, -1);
	for (size_t i = 0; i < rows->count; i++) {
		free(live.cells[i * rows->columns]);
	}
	free(live.cells);
}

static struct store_value text_or_null(const char *text)
{
	return (struct store_value){.text = text, .is_null = text == NULL};
}

void jobs_list(struct call *call)
{
	static const char *const states[] = {"queued",    "baseline", "running",   "paused",
					     "completed", "failed",   "cancelled", NULL};
	char before[PAGE_FIELD_SIZE], unused[PAGE_FIELD_SIZE];
	struct store_value values[6];
	char *labels, *wanted;

	call_may_wait(call, STORE_JOBS);
	if (!page_read(call, before, unused) || !page_choices(call, "state", states, &wanted)) {
		return;
	}
	labels = page_labels(call);
	values[0] = text_or_null(wanted);
	values[1] = text_or_null(request_query(call->request, "name"));
	values[2] = text_or_null(labels);
	values[3] = text_or_null(before[0] != '\0' ? before : NULL);
	values[4] = (struct store_value){.integer = call->limit + 1};
	values[5] = call_only(call);
	call_query(call, QUERY_JOBS, values, 6, on_jobs);
	free(labels);
	free(wanted);
}

static void reply_document(struct call *call, const struct store_rows *rows)
{
	document_reply(call, 200, rows->cells[JOB_DOCUMENT]);
}

void jobs_get(struct call *call)
{
	call->live = true;
	document_of_job(call, reply_document);
}

static void reply_spec(struct call *call, const struct store_rows *rows)
{
	call_reply_copy(call, 200, rows->cells[JOB_SPEC]);
}

void jobs_spec(struct call *call)
{
	document_of_job(call, reply_spec);
}

/* The job is not open: gone, or final, which is all that cancelling asks for. */
static void on_final(struct call *call, const struct store_rows *rows)
{
	bool cancel = strcmp(call->route->path, "/v1/jobs/{id}/cancel") == 0;
	const struct store_key *key = idempotency_key(call, 200, NULL);

	if (rows->count == 0 || !cancel) {
		document_not_open(call, rows);
	} else if (key == NULL) {
		answer_job(call, rows);
	} else {
		call->stored.body = rows->cells[JOB_DOCUMENT];
		call_ref(call);
		store_key_put(call->server->store, key, on_written, call);
	}
}

void jobs_on_changed(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;
	bool open = tuner_version(call->server->tuner, call->params[0]) >= 0;
	if (call->request != NULL && rc == -(int)ERR_NOT_FOUND && !open) {
		call_find(call, QUERY_JOB, on_final);
		call_unref(call);
		return;
	}
	on_written(arg, rc, err);
}

static void control(struct call *call)
{
	static const struct {
		const char *name;
		enum tuner_action action;
	} actions[] = {
		{"/pause", TUNER_PAUSE}, {"/resume", TUNER_RESUME}, {"/cancel", TUNER_CANCEL}};
	const char *name = strrchr(call->route->path, '/');

	(void)snprintf(call->id, sizeof(call->id), "%s", call->params[0]);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(actions[i].name, name) == 0) {
			call_ref(call);
			tuner_control(call->server->tuner, call->params[0], actions[i].action,
				      idempotency_key(call, 200, NULL), jobs_on_changed, call);
		}
	}
}

void jobs_control(struct call *call)
{
	static const char *const no_members[] = {NULL};

	if (call_body_has_only(call, no_members)) {
		idempotency_run(call, control);
	}
}

/* What may be done to a job that has ended: other versions of it are remembered no more. */
void jobs_on_edited(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (rc == 0) {
		document_forget(call->server, call->params[0]);
	}
	on_written(arg, rc, err);
}

static void patch(struct call *call, int64_t version)
{
	bool matters = request_header(call->request, "If-Match") != NULL;
	const char *type = request_header(call->request, "Content-Type");
	bool merge = header_is_type(type, HTTP_MERGE_PATCH);

	if (!document_matches(call, version)) {
		return;
	}
	(void)snprintf(call->id, sizeof(call->id), "%s", call->params[0]);
	call_ref(call);
	tuner_edit(call->server->tuner, call->params[0], matters ? version : -1, call->body, merge,
		   jobs_on_edited, call);
}

static void patch_final(struct call *call, const struct store_rows *rows)
{
	if (call_found(call, rows, "job")) {
		patch(call, strtoll(rows->cells[JOB_VERSION], NULL, 10));
	}
}

void jobs_patch(struct call *call)
{
	int64_t version = tuner_version(call->server->tuner, call->params[0]);

	if (version >= 0) {
		patch(call, version);
	} else {
		call_find(call, QUERY_JOB, patch_final);
	}
}

static void on_deleted(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (call->request != NULL && rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		journal_job(call, call->params[0]);
		call_reply_empty(call, 204);
	}
	call_unref(call);
}

static void delete_job(struct call *call, const struct store_rows *rows)
{
	if (!call_found(call, rows, "job")) {
		return;
	}
	if (!document_matches(call, strtoll(rows->cells[JOB_VERSION], NULL, 10))) {
		return;
	}
	call_ref(call);
	store_job_delete(call->server->store, call->params[0], on_deleted, call);
}

void jobs_delete(struct call *call)
{
	call_find(call, QUERY_JOB, delete_job);
}
