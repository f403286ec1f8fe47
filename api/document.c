/* Answers for documents that have a version, from a cache of what is final where that is enough. */
#include "api/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/beside.h"
#include "api/http/header.h"
#include "api/maker.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "job/job.h"
#include "tuner/live.h"

typedef void make_fn(struct call *call, const struct store_rows *rows);

enum { FINALS_MAX = 10000 };

bool document_is_final(const char *state)
{
	for (int s = JOB_COMPLETED; job_state_names[s] != NULL; s++) {
		if (strcmp(job_state_names[s], state) == 0) {
			return true;
		}
	}
	return false;
}

static void remember_final(struct call *call, const struct store_rows *rows)
{
	struct server *server = call->server;

	if (!document_is_final(rows->cells[JOB_STATE]) || call->deletions != server->deletions) {
		return;
	}
	if (server->finals.count >= FINALS_MAX) {
		map_finish(&server->finals);
		map_init(&server->finals);
	}
	map_set(&server->finals, call->params[0],
		(intptr_t)strtoll(rows->cells[JOB_VERSION], NULL, 10));
}

void document_forget(void *arg, const char *job)
{
	struct server *server = arg;

	server->deletions++;
	map_remove(&server->finals, job);
}

void document_changed(void *arg, const char *job)
{
	document_forget(arg, job);
	call_tell_job(arg, job);
}

bool document_is_elsewhere(const struct call *call)
{
	return store_is_spare(call->server->store) ||
	       tuner_is_unread(call->server->tuner, call->params[0]);
}

static char *tag_of(const struct call *call, int64_t version, char *ret)
{
	return call->live ? document_tag(call, call->params[0], version, ret)
			  : call_version_tag(version, ret);
}

static void on_job(struct call *call, const struct store_rows *rows);

static void read_job(struct call *call)
{
	struct store_value values[] = {{.text = call->params[0]}, {.is_null = true}, {0}};

	if (call->wants_spec && call->spec == NULL) {
		call->spec = shelf_find(&call->server->shelf, call->params[0]);
	}
	if (call->wants_spec && call->spec == NULL && !maker_begin(call, read_job)) {
		return;
	}
	values[2].integer = call->wants_spec && call->spec != NULL;
	call->deletions = call->server->deletions;
	call_query(call, QUERY_JOB, values, 3, on_job);
}

char *document_tag(const struct call *call, const char *job, int64_t version, char *ret)
{
	int64_t mark = tuner_live_mark(call->server->tuner, job);

	if (mark == 0) {
		return call_version_tag(version, ret);
	}
	(void)snprintf(ret, CALL_TAG_SIZE, "\"%lld-%llx\"", (long long)version,
		       (unsigned long long)mark);
	return ret;
}

static void on_job(struct call *call, const struct store_rows *rows)
{
	char tag[CALL_TAG_SIZE];

	if (!call_found(call, rows, "job")) {
		return;
	}
	remember_final(call, rows);
	if (call_tag(call, tag_of(call, strtoll(rows->cells[JOB_VERSION], NULL, 10), tag))) {
		call->make(call, rows);
	}
}

static void wait_for_change(struct call *call, int64_t version, unsigned seconds)
{
	char applied[24];

	if (!request_may_wait(call->request)) {
		call_error(call, ERR_OVERLOADED, "too many clients are waiting");
		return;
	}
	(void)snprintf(applied, sizeof(applied), "wait=%u", seconds);
	request_add_header(call->request, "Preference-Applied", applied);
	call_wait(call, call->params[0], version, (uint64_t)seconds * 1000, read_job);
}

/* Of the tags that a GET gave, only the version counts for a change, however weak they are. */
static char *versions_of(const char *field)
{
	char *text = mem_dup(field), *to = text;

	for (const char *at = text; *at != '\0'; at++) {
		at += *at == '-' ? strcspn(at, "\"") : 0;
		*to++ = *at;
		if (*at == '\0') {
			return text;
		}
	}
	*to = '\0';
	return text;
}

static void look_elsewhere(struct call *call);

/* Of the daemon that writes the client may know more than stands here: what is new it learns from the log alone. */
static bool is_known(const struct call *call, int64_t version)
{
	const char *known = request_header(call->request, "If-None-Match");
	char *versions = store_is_spare(call->server->store) ? versions_of(known) : NULL;
	char tag[CALL_TAG_SIZE];
	bool same = header_has_tag(versions != NULL ? versions : known, tag_of(call, version, tag),
				   false);

	free(versions);
	return same;
}

/* What the client has it has until somebody writes to the job. */
static void on_state(struct call *call, const struct store_rows *rows)
{
	int64_t left = call->wait_until_ms - clock_mono_ms();
	int64_t version = rows->count > 0 ? strtoll(rows->cells[STATE_VERSION], NULL, 10) : -1;

	if (version < 0 || document_is_final(rows->cells[STATE_NAME]) || left <= 0 ||
	    !is_known(call, version)) {
		read_job(call);
	} else if (!store_is_spare(call->server->store)) {
		wait_for_change(call, version, call->wait_s);
	} else if (!call->waited && !request_may_wait(call->request)) {
		call_error(call, ERR_OVERLOADED, "too many clients are waiting");
	} else {
		call->waited = true; /* which call_tag() says */
		call_wait_change(call, (uint64_t)left, look_elsewhere);
	}
}

static void look_elsewhere(struct call *call)
{
	call_listen_job(call);
	call_find(call, QUERY_JOB_STATE, on_state);
}

void document_of_job(struct call *call, make_fn *make)
{
	const char *known = request_header(call->request, "If-None-Match");
	unsigned seconds = header_wait_s(request_header(call->request, "Prefer"), LIMIT_WAIT_S);
	int64_t version = tuner_version(call->server->tuner, call->params[0]);
	char tag[CALL_TAG_SIZE];

	call->make = make;
	if (seconds > 0 && known != NULL && document_is_elsewhere(call)) {
		call->wait_s = seconds;
		call->wait_until_ms = clock_mono_ms() + (int64_t)seconds * 1000;
		look_elsewhere(call);
		return;
	}
	if (version < 0 && seconds == 0) {
		version = map_get(&call->server->finals, call->params[0], -1);
	}
	if (version < 0 || !header_has_tag(known, tag_of(call, version, tag), false)) {
		read_job(call);
	} else if (seconds > 0) {
		wait_for_change(call, version, seconds);
	} else {
		(void)call_tag(call, tag);
	}
}

void document_of_space(struct call *call, make_fn *make)
{
	call->wants_spec = true;
	document_of_job(call, make);
}

bool document_matches(struct call *call, int64_t version)
{
	const char *wanted = request_header(call->request, "If-Match");
	char *versions = wanted != NULL ? versions_of(wanted) : NULL;
	char tag[CALL_TAG_SIZE];
	bool matches =
		wanted == NULL || header_has_tag(versions, call_version_tag(version, tag), false);

	if (!matches) {
		call_error(call, ERR_PRECONDITION, "it has changed: its ETag is W/%s now", tag);
	}
	free(versions);
	return matches;
}

static void make_spec(struct call *call, const struct store_rows *rows)
{
	struct err *err = call->unmade;

	call->spec = spec_load(rows->cells[JOB_SPEC], rows->cells[JOB_CAPABILITY],
			       rows->cells[JOB_EVALUATOR], rows->cells[JOB_MATCHED], err);
	if (call->spec == NULL) {
		err->code = ERR_INTERNAL;
		(void)err_prefix(err, "the stored job cannot be read");
	} else if (spec_check_space(call->spec, rows->cells[JOB_SPACE], err) != 0) {
		spec_destroy(call->spec);
		call->spec = NULL;
	}
}

static void have_spec(struct call *call)
{
	if (call->spec == NULL) {
		call_fail(call, call->unmade);
		return;
	}
	shelf_put(&call->server->shelf, call->params[0], call->spec);
	maker_end(call);
	call->then(call);
}

void document_with_spec(struct call *call, const struct store_rows *rows, call_fn *next)
{
	if (call->spec == NULL) {
		call->spec = shelf_find(&call->server->shelf, call->params[0]);
	}
	if (call->spec != NULL) {
		maker_end(call);
		next(call);
		return;
	}
	call->then = next;
	free(call->unmade);
	call->unmade = mem_new(1, sizeof(*call->unmade));
	beside_run(call, rows, make_spec, have_spec);
}

bool document_trial(struct call *call, int64_t *ret_number)
{
	char *end;

	*ret_number = strtoll(call->params[1], &end, 10);
	if (*end != '\0' || end == call->params[1]) {
		call_error(call, ERR_NOT_FOUND, "trials are numbered 0, 1, 2, ...");
		return false;
	}
	return true;
}

void document_reply(struct call *call, int status, const char *text)
{
	json_t *document = json_loads(text, 0, NULL);

	tuner_live(call->server->tuner, json_string_value(json_object_get(document, "id")), true,
		   document);
	call_reply_json(call, status, document);
}

void document_not_open(struct call *call, const struct store_rows *rows)
{
	if (!call_found(call, rows, "job")) {
		return;
	}
	if (rows->cells[JOB_PAUSE] != NULL) {
		call_error(call, ERR_WRONG_STATE, "the job is %s: %s", rows->cells[JOB_STATE],
			   rows->cells[JOB_PAUSE]);
	} else {
		call_error(call, ERR_WRONG_STATE, TUNER_IS_OVER, rows->cells[JOB_STATE]);
	}
}
