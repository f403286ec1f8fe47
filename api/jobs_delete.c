/* Deletes many jobs at once. */
#include <stdlib.h>
#include <string.h>

#include "api/idempotency.h"
#include "api/resources.h"
#include "api/router.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "job/job.h"
#include "job/spec/spec.h"

/* What to delete; of the texts those that are not given are NULL. */
struct filter {
	char *states, *labels; /* JSON, owned */
	const char *name;
	int64_t before_ms; /* CLOCK_NONE: not given */
	bool all, dry;
	int64_t skipped; /* matches that stay */
	bool more;
	char **listed; /* what is to be deleted, owned */
	size_t count;
};

static void destroy_filter(void *state)
{
	struct filter *filter = state;

	for (size_t i = 0; i < filter->count; i++) {
		free(filter->listed[i]);
	}
	free(filter->listed);
	free(filter->states);
	free(filter->labels);
	free(filter);
}

static char *read_states(const struct json_at *at)
{
	if (at->value == NULL) {
		return NULL;
	}
	if (json_is_array_at(at, JOB_CANCELLED + 1)) {
		for (size_t i = 0; i < json_array_size(at->value); i++) {
			struct json_at item = json_item(at, i);

			(void)json_choice(&item, 0, job_state_names);
		}
	}
	return json_text(at->value);
}

static char *read_labels(const struct json_at *at)
{
	if (at->value == NULL) {
		return NULL;
	}
	json_decref(spec_labels_read(at, RULES_NEWEST));
	return json_text(at->value);
}

static int64_t read_time(const struct json_at *at)
{
	const char *text = json_string_in(at, NULL, LIMIT_NAME_BYTES);
	int64_t ms = text != NULL ? clock_parse(text) : CLOCK_NONE;

	if (text != NULL && ms == CLOCK_NONE) {
		(void)json_fault(at, "a time is written as 2026-01-31T12:00:00Z or "
				     "2026-01-31T13:00:00+01:00");
	}
	return ms;
}

static void read_filter(struct filter *filter, const struct json_at *at)
{
	static const char *const members[] = {"state",           "name", "labels",
					      "finished_before", "all",  NULL};
	struct json_at state = json_member(at, "state"), name = json_member(at, "name");
	struct json_at labels = json_member(at, "labels"), all = json_member(at, "all");
	struct json_at before = json_member(at, "finished_before");

	if (!json_required(at) || !json_is_object_at(at)) {
		return;
	}
	json_only(at, members);
	filter->states = read_states(&state);
	filter->labels = read_labels(&labels);
	filter->name = json_string_in(&name, NULL, LIMIT_NAME_BYTES);
	filter->before_ms = read_time(&before);
	filter->all = json_bool(&all, false);
	if (!filter->all && state.value == NULL && name.value == NULL && before.value == NULL &&
	    json_object_size(labels.value) == 0) {
		(void)json_fault(at, "an empty filter is every job that has ended: say "
				     "{\"all\": true} when that is meant");
	}
}

static struct filter *read_body(struct call *call, struct err *reterr)
{
	static const char *const members[] = {"filter", "dry_run", NULL};
	struct filter *filter = mem_new(1, sizeof(*filter));
	struct json_at at, which, dry;

	err_init(reterr);
	at = json_root(call->body, reterr);
	which = json_member(&at, "filter");
	dry = json_member(&at, "dry_run");
	json_only(&at, members);
	read_filter(filter, &which);
	filter->dry = json_bool(&dry, false);
	return filter;
}

/* The answer; new reference. */
static json_t *answer_of(const struct filter *filter, char *const *ids, size_t count)
{
	json_t *items = json_array();

	for (size_t i = 0; i < count; i++) {
		(void)json_array_append_new(items, json_string(ids[i]));
	}
	return json_pack("{s:o, s:I, s:b}", "items", items, "skipped",
			 (json_int_t)(filter->skipped + (int64_t)(filter->count - count)), "more",
			 filter->more);
}

static void on_kept(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (call->request != NULL && rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		call_reply_copy(call, 200, call->stored.body);
	}
	free((char *)call->stored.body);
	call->stored.body = NULL;
	call_unref(call);
}

/* Answers, and keeps the answer when it may be asked for again. Takes over the document. */
static void answer(struct call *call, json_t *document)
{
	const struct store_key *key = idempotency_key(call, 200, NULL);

	if (key == NULL) {
		call_reply_json(call, 200, document);
		return;
	}
	call->stored.body = json_text(document);
	json_decref(document);
	call_ref(call);
	store_key_put(call->server->store, key, on_kept, call);
}

static void on_swept(void *arg, char *const *gone, size_t count, const struct err *err)
{
	struct call *call = arg;

	if (count > 0) {
		log_line(LOG_INFO, "jobs deleted", LOG_INT("jobs", (int64_t)count),
			 LOG_TEXT("owner", call->who.owner),
			 LOG_TEXT("token", call->who.token[0] != '\0' ? call->who.token : NULL));
	}
	if (call->request != NULL && err->code != ERR_OK) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		answer(call, answer_of(call->state, gone, count));
	}
	call_unref(call);
}

/* The first row counts, the others are jobs. */
static void on_chosen(struct call *call, const struct store_rows *rows)
{
	struct filter *filter = call->state;
	size_t found = rows->count - 1;
	int64_t *seqs;

	filter->skipped = strtoll(rows->cells[1], NULL, 10);
	filter->more = found > LIMIT_PAGE;
	filter->count = filter->more ? LIMIT_PAGE : found;
	filter->listed = mem_new(filter->count, sizeof(*filter->listed));
	seqs = mem_new(filter->count, sizeof(*seqs));
	for (size_t i = 0; i < filter->count; i++) {
		char *const *cells = &rows->cells[(i + 1) * rows->columns];

		filter->listed[i] = mem_dup(cells[0]);
		seqs[i] = strtoll(cells[1], NULL, 10);
	}
	if (filter->dry) {
		answer(call, answer_of(filter, filter->listed, filter->count));
	} else {
		call_ref(call);
		store_jobs_sweep(call->server->store, filter->listed, seqs, filter->count, on_swept,
				 call);
	}
	free(seqs);
}

static struct store_value text_or_null(const char *text)
{
	return (struct store_value){.text = text, .is_null = text == NULL};
}

static void choose(struct call *call)
{
	const struct filter *filter = call->state;
	struct store_value values[] = {
		text_or_null(filter->states),
		text_or_null(filter->name),
		text_or_null(filter->labels),
		{.integer = filter->before_ms, .is_null = filter->before_ms == CLOCK_NONE},
		{.integer = LIMIT_PAGE + 1},
		call_only(call)};

	call_query(call, QUERY_DELETABLE, values, 6, on_chosen);
}

/* Of what is only tried the answer is kept when it has a key. */
static bool writes(const struct call *call)
{
	const struct filter *filter = call->state;

	return !filter->dry || request_header(call->request, "Idempotency-Key") != NULL;
}

void jobs_delete_many(struct call *call)
{
	struct err err;

	call->state = read_body(call, &err);
	call->state_destroy = destroy_filter;
	if (err.code != ERR_OK) {
		call_fail(call, &err);
	} else if (!writes(call) || call_has_room(call)) {
		idempotency_run(call, choose);
	}
}
