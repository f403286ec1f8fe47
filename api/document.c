#include "api/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

typedef void make_fn(struct call *call, const struct store_rows *rows);

/* Whether one of the comma-separated entity tags is "version". */
static bool names_version(const char *tags, int64_t version)
{
	char tag[40];

	(void)snprintf(tag, sizeof(tag), "\"%lld\"", (long long)version);
	return strcmp(tags, "*") == 0 || strstr(tags, tag) != NULL;
}

/* Prefer: wait=N, or 0. */
static unsigned preferred_wait(const struct request *request)
{
	const char *prefer = request_header(request, "Prefer");
	const char *wait = prefer != NULL ? strstr(prefer, "wait=") : NULL;
	long seconds = wait != NULL ? strtol(wait + 5, NULL, 10) : 0;

	return seconds < 0 ? 0 : seconds > LIMIT_WAIT_S ? LIMIT_WAIT_S : (unsigned)seconds;
}

static void add_etag(struct call *call, int64_t version)
{
	char tag[40];

	(void)snprintf(tag, sizeof(tag), "\"%lld\"", (long long)version);
	request_add_header(call->request, "ETag", tag);
}

static void not_modified(struct call *call, int64_t version)
{
	add_etag(call, version);
	request_reply(call->request, 304, NULL, NULL, 0);
}

static void read_job(struct call *call, make_fn *next)
{
	struct store_value id = {.text = call->params[0]};

	call_query(call, QUERY_JOB, &id, 1, next);
}

static void on_job(struct call *call, const struct store_rows *rows)
{
	const char *tags = request_header(call->request, "If-None-Match");
	int64_t version;

	if (rows->count == 0) {
		call_error(call, ERR_NOT_FOUND, "no job has the id %s", call->params[0]);
		return;
	}
	version = strtoll(rows->cells[JOB_VERSION], NULL, 10);
	if (tags != NULL && names_version(tags, version)) {
		not_modified(call, version);
		return;
	}
	add_etag(call, version);
	call->make(call, rows);
}

static void after_wait(struct call *call)
{
	request_add_header(call->request, "Preference-Applied", "wait");
	read_job(call, on_job);
}

void document_of_job(struct call *call, make_fn *make)
{
	const char *tags = request_header(call->request, "If-None-Match");
	int64_t version = tuner_version(call->server->tuner, call->params[0]);
	unsigned seconds = preferred_wait(call->request);

	call->make = make;
	if (tags == NULL || version < 0 || !names_version(tags, version)) {
		read_job(call, on_job);
	} else if (seconds == 0) {
		not_modified(call, version);
	} else if (!request_may_wait(call->request)) {
		call_error(call, ERR_OVERLOADED, "too many clients are waiting");
	} else {
		call_wait(call, call->params[0], version, seconds, after_wait);
	}
}

bool document_matches(struct call *call, int64_t version)
{
	const char *tags = request_header(call->request, "If-Match");

	if (tags == NULL || names_version(tags, version)) {
		return true;
	}
	call_error(call, ERR_PRECONDITION, "the job has changed: it is at version %lld",
		   (long long)version);
	return false;
}

struct spec *document_spec(struct call *call, const struct store_rows *rows)
{
	json_t *body = json_loads(rows->cells[JOB_SPEC], 0, NULL);
	json_t *capability = json_loads(rows->cells[JOB_CAPABILITY], 0, NULL);
	json_t *target = json_loads(rows->cells[JOB_EVALUATOR], 0, NULL);
	struct err err;
	struct spec *spec = spec_create(body, capability, target, &err);

	json_decref(body);
	json_decref(capability);
	json_decref(target);
	if (spec == NULL) {
		call_error(call, ERR_INTERNAL, "the stored job cannot be read: %s", err.message);
	}
	return spec;
}
