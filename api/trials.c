/* Routes about a job's trials: listed with filters, read, imported; and what it is told of scores. */
#include "api/beside.h"
#include "api/document.h"
#include "api/idempotency.h"
#include "api/outcome.h"
#include "api/page.h"
#include "api/resources.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/interface/strategy.h"
#include "job/spec/codec_changes.h"
#include "job/words.h"

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

enum { FILTERS = sizeof(filters) / sizeof(filters[0]), TRIAL_VALUES = 11, CONFIG_CELL = 3 };

/* What operators must be lowered to in the configs of the trials that are listed; state of the call. */
struct lowered {
	const struct space *space;
	struct wanted {
		size_t op;
		const char *format; /* of the request */
	} *wanted;                  /* owned */
	size_t count;
	const char *unknown; /* the first operator that the job does not have */
	struct store_rows rows;
	bool *kept; /* owned; of the rows */
};

static void destroy_lowered(void *arg)
{
	struct lowered *lowered = arg;

	store_rows_free(&lowered->rows);
	free(lowered->wanted);
	free(lowered->kept);
	free(lowered);
}

/* op.NAME=FORMAT */
static bool add_wanted(void *arg, const char *parameter, const char *value)
{
	struct lowered *lowered = arg;
	const struct space *space = lowered->space;
	const char *name = parameter + strlen("op.");
	size_t m = 0;

	if (strncmp(parameter, "op.", strlen("op.")) != 0) {
		return true;
	}
	while (m < space->member_count && strcmp(space->members[m].name, name) != 0) {
		m++;
	}
	if (m == space->member_count) {
		lowered->unknown = name;
		return false;
	}
	lowered->wanted = mem_grow(lowered->wanted, lowered->count + 1, sizeof(*lowered->wanted));
	lowered->wanted[lowered->count++] = (struct wanted){space->members[m].op, value};
	return true;
}

static bool is_lowered(const struct lowered *lowered, const char *changes_text)
{
	struct config *config =
		changes_text != NULL ? codec_changes_parse(lowered->space, changes_text) : NULL;
	uint16_t *choices = mem_new(lowered->space->dimension_count, sizeof(*choices));
	bool all = config != NULL;

	if (config != NULL) {
		config_expand(config, lowered->space, choices);
	}
	for (size_t i = 0; all && i < lowered->count; i++) {
		const struct wanted *wanted = &lowered->wanted[i];
		const char *format = words_format(lowered->space, wanted->op, choices);

		all = strcmp(format != NULL ? format : "fp32", wanted->format) == 0;
	}
	free(choices);
	config_destroy(config);
	return all;
}

/* On a thread of the pool: a page may have a thousand configs. */
static void look_at_configs(struct call *call, const struct store_rows *none)
{
	struct lowered *lowered = call->state;
	const struct store_rows *rows = &lowered->rows;

	(void)none;
	lowered->kept = mem_new(rows->count + 1, sizeof(*lowered->kept));
	for (size_t i = 0; i < rows->count; i++) {
		lowered->kept[i] =
			is_lowered(lowered, rows->cells[i * rows->columns + CONFIG_CELL]);
	}
}

static void reply_lowered(struct call *call)
{
	struct lowered *lowered = call->state;

	page_reply_kept(call, &lowered->rows, lowered->kept, 2, 1);
}

static void on_trials(struct call *call, const struct store_rows *rows)
{
	struct lowered *lowered = call->state;

	if (lowered == NULL) {
		page_reply(call, rows, 2, 1);
		return;
	}
	store_rows_take(rows, &lowered->rows);
	beside_run(call, NULL, look_at_configs, reply_lowered);
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
	values[10].integer = call->state != NULL;
	call_query(call, QUERY_TRIALS, values, TRIAL_VALUES, on_trials);
}

static void with_filters(struct call *call, void (*go)(struct call *, struct store_value *))
{
	struct store_value values[TRIAL_VALUES] = {{0}};

	if (read_filters(call, values)) {
		go(call, values);
	}
	for (size_t i = 0; i < FILTERS; i++) {
		free((char *)values[filters[i].value].text);
	}
}

static void list_all(struct call *call)
{
	with_filters(call, put_query);
}

static void list_lowered(struct call *call)
{
	struct lowered *lowered = mem_new(1, sizeof(*lowered));

	lowered->space = call->spec->space;
	call->state = lowered;
	call->state_destroy = destroy_lowered;
	request_each_query(call->request, add_wanted, lowered);
	if (lowered->unknown != NULL) {
		call_error(call, ERR_BAD_REQUEST, "the job has no operator %s", lowered->unknown);
		return;
	}
	list_all(call);
}

static bool look_for_operators(void *arg, const char *name, const char *value)
{
	bool *about_operators = arg;

	(void)value;
	*about_operators = *about_operators || strncmp(name, "op.", strlen("op.")) == 0;
	return true;
}

static void list(struct call *call, const struct store_rows *rows)
{
	bool about_operators = false;

	request_each_query(call->request, look_for_operators, &about_operators);
	if (about_operators) {
		document_with_spec(call, rows, list_lowered);
	} else {
		list_all(call);
	}
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
	json_decref(*(json_t **)receipt);
	free(receipt);
}

/* The write is over. The client may be gone by now. */
static void on_taken_in(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (call->request == NULL) {
		call_unref(call);
		return;
	}
	if (rc == -(int)ERR_NOT_FOUND) {
		call_find(call, QUERY_JOB, document_not_open);
	} else if (rc != 0) {
		call_fail(call, err);
	} else {
		call_reply_json(call, 200, json_incref(*(json_t **)call->state));
	}
	call_unref(call);
}

typedef void intake_fn(struct tuner *tuner, const char *job, json_t *body,
		       const struct store_key *key, json_t **ret_receipt, tuner_done_fn done,
		       void *arg);

static void take_in(struct call *call, intake_fn *fn)
{
	call_ref(call);
	call->state = mem_new(1, sizeof(json_t *));
	call->state_destroy = destroy_receipt;
	fn(call->server->tuner, call->params[0], call->body, idempotency_key(call, 200, NULL),
	   call->state, on_taken_in, call);
}

static void import(struct call *call)
{
	take_in(call, tuner_import);
}

void trials_import(struct call *call)
{
	idempotency_run(call, import);
}

static void tell_scores(struct call *call)
{
	if (call_may_add(call)) {
		take_in(call, tuner_tell_scores);
	}
}

void trials_tell_scores(struct call *call)
{
	idempotency_run(call, tell_scores);
}
