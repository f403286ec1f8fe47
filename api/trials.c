#include "api/beside.h"
#include "api/document.h"
#include "api/idempotency.h"
#include "api/outcome.h"
#include "api/page.h"
#include "api/resources.h"

#include <stdlib.h>
#include <string.h>

#include "strategies/interface/strategy.h"
#include "job/spec/codec_changes.h"

static const char *const orders[] = {"number",     "-number",     "accuracy", "-accuracy",
				     "latency_ms", "-latency_ms", NULL};
static const char *const truths[] = {"false", "true", NULL};

static int index_of(const char *const *names, const char *text)
{
	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(names[i], text) == 0) {
			return i;
		}
	}
	return -1;
}

/* Which trials, each a set: the parameter, what it may be, and its place in QUERY_TRIALS. */
static const char *const states[] = {"asked",  "leased",    "told", "failed",
				     "pruned", "cancelled", NULL};
static const char *const sources[] = {"measured", "cache", "imported", NULL};
static const struct {
	const char *parameter;
	const char *const *choices;
	size_t value;
} filters[] = {{"state", states, 1},
	       {"stage", NULL, 2},
	       {"kind", question_kind_names, 8},
	       {"source", sources, 9}};

enum { FILTERS = sizeof(filters) / sizeof(filters[0]) };

static void on_trials(struct call *call, const struct store_rows *rows)
{
	page_reply(call, rows, 2, 1);
}

/* False after answering 400; the texts are the caller's to free in either case. */
static bool read_filters(struct call *call, struct store_value *values)
{
	for (size_t i = 0; i < FILTERS; i++) {
		struct store_value *value = &values[filters[i].value];
		char *list;

		if (!page_choices(call, filters[i].parameter, filters[i].choices, &list)) {
			return false;
		}
		*value = (struct store_value){.text = list, .is_null = list == NULL};
	}
	return true;
}

static void put_query(struct call *call, struct store_value *values)
{
	const char *feasible = request_query(call->request, "feasible");
	const char *order = request_query(call->request, "order");
	char key[PAGE_FIELD_SIZE], number[PAGE_FIELD_SIZE];

	if (!page_read(call, key, number)) {
		return;
	}
	values[0] = (struct store_value){.text = call->params[0]};
	values[3] =
		(struct store_value){.integer = feasible != NULL ? index_of(truths, feasible) : 0,
				     .is_null = feasible == NULL};
	values[4].integer = order != NULL ? index_of(orders, order) : 0;
	values[5] = (struct store_value){.text = key, .is_null = key[0] == '\0'};
	values[6] = (struct store_value){.integer = strtoll(number, NULL, 10),
					 .is_null = number[0] == '\0'};
	values[7].integer = call->limit + 1;
	call_query(call, QUERY_TRIALS, values, 10, on_trials);
}

static void with_filters(struct call *call, void (*go)(struct call *, struct store_value *))
{
	struct store_value values[10] = {{0}};

	if (read_filters(call, values)) {
		go(call, values);
	}
	for (size_t i = 0; i < FILTERS; i++) {
		free((char *)values[filters[i].value].text);
	}
}

static void list(struct call *call, const struct store_rows *rows)
{
	(void)rows;
	with_filters(call, put_query);
}

static void list_if_changed(struct call *call, struct store_value *values)
{
	char key[PAGE_FIELD_SIZE], number[PAGE_FIELD_SIZE];

	(void)values;
	if (page_read(call, key, number)) {
		document_of_job(call, list);
	}
}

/* What cannot be answered is refused before a condition is looked at (RFC 9110, 13.2.1). */
void trials_list(struct call *call)
{
	if (page_choice(call, "feasible", truths) && page_choice(call, "order", orders)) {
		with_filters(call, list_if_changed);
	}
}

enum { FULL, DELTA, NONE };
static const char *const forms[] = {"full", "delta", "none", NULL};

/* `limit` of the call is the form of the config. */
static char *make_trial(struct call *call, const struct store_rows *rows)
{
	const struct spec *spec = call->spec;
	const char *changes = rows->cells[1];
	json_t *trial = json_loads(rows->cells[0], 0, NULL);
	struct config *config = changes != NULL ? codec_changes_parse(spec->space, changes) : NULL;
	/* Trial 0 is the baseline; what else has no config is no question about one. */
	bool has_config =
		config != NULL || json_integer_value(json_object_get(trial, "number")) == 0;
	char *text;

	text = has_config && call->limit != NONE
		       ? outcome_text(trial, spec, config, call->limit == DELTA)
		       : json_text(trial);
	config_destroy(config);
	json_decref(trial);
	return text;
}

static void on_trial(struct call *call, const struct store_rows *rows)
{
	if (rows->count == 0) {
		call_error(call, ERR_NOT_FOUND, "the job has no trial %s", call->params[1]);
		return;
	}
	beside_reply(call, rows, make_trial);
}

static void read_trial(struct call *call)
{
	struct store_value values[] = {{.text = call->params[0]}, {0}};

	if (document_trial(call, &values[1].integer)) {
		call_query(call, QUERY_TRIAL, values, 2, on_trial);
	}
}

static void get(struct call *call, const struct store_rows *rows)
{
	int64_t number;

	if (document_trial(call, &number)) {
		document_with_spec(call, rows, read_trial);
	}
}

void trials_get(struct call *call)
{
	const char *form = request_query(call->request, "config");

	if (page_choice(call, "config", forms)) {
		call->limit = form != NULL ? index_of(forms, form) : FULL;
		document_of_space(call, get);
	}
}

static void destroy_receipt(void *receipt)
{
	json_decref(receipt);
}

/* The write is over. The client may be gone by now. */
static void on_imported(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;
	struct store_value id = {.text = call->params[0]};

	if (call->request == NULL) {
		call_unref(call);
		return;
	}
	if (rc == -(int)ERR_NOT_FOUND) {
		call_query(call, QUERY_JOB, &id, 1, document_not_open);
	} else if (rc != 0) {
		call_fail(call, err);
	} else {
		call_reply_json(call, 200, json_incref(call->state));
	}
	call_unref(call);
}

static void import(struct call *call)
{
	json_t *receipt;

	call_ref(call);
	tuner_import(call->server->tuner, call->params[0], call->body,
		     idempotency_key(call, 200, NULL), &receipt, on_imported, call);
	call->state = receipt;
	call->state_destroy = destroy_receipt;
}

void trials_import(struct call *call)
{
	idempotency_run(call, import);
}
