/*
 * A whole job in one document. The log and the trials are read page by page, so that other requests
 * get their turns in between; what is gathered is bounded.
 */
#include "api/beside.h"
#include "api/format.h"
#include "api/outcome.h"
#include "api/page.h"
#include "api/resources.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/spec/codec_changes.h"
#include "job/spec/codec_config.h"

enum { EXPORT_PAGE = 100, EXPORT_BYTES_MAX = 128 * 1024 * 1024 };

struct export
{
	struct outcome outcome;
	format_fn *make; /* of a file for a tool, or NULL */
	char *best;      /* its document, or NULL */
	json_t *configs; /* trial number -> the changes of its config, as the log has them */
	struct buf events, trials;
	size_t page;   /* how many the last page had */
	int64_t after; /* seq of the last event, number of the last trial */
};

static void destroy(void *state)
{
	struct export *export = state;

	outcome_finish(&export->outcome);
	free(export->best);
	json_decref(export->configs);
	buf_finish(&export->events);
	buf_finish(&export->trials);
	free(export);
}

static struct export *gather(struct call *call)
{
	struct outcome *outcome = call->state;
	struct export *export = mem_new(1, sizeof(*export));

	export->outcome = *outcome;
	free(outcome);
	export->configs = json_object();
	buf_init_long(&export->events, EXPORT_BYTES_MAX);
	buf_init_long(&export->trials, EXPORT_BYTES_MAX);
	call->state = export;
	call->state_destroy = destroy;
	return export;
}

static void too_large(struct call *call)
{
	call_error(call, ERR_TOO_LARGE,
		   "the export has more than %d MiB; read the trials and events page by page",
		   EXPORT_BYTES_MAX / 1024 / 1024);
}

static void read_trials(struct call *call,
			void (*next)(struct call *call, const struct store_rows *rows))
{
	const struct export *export = call->state;
	struct store_value values[8] = {{.text = call->params[0]},
					{.is_null = true},
					{.is_null = true},
					{.is_null = true},
					{.integer = 0}};

	values[5].is_null = true;
	values[6] = (struct store_value){.integer = export->after};
	values[7] = (struct store_value){.integer = EXPORT_PAGE};
	call_query(call, QUERY_TRIALS, values, 8, next);
}

static char *const *row_at(const struct store_rows *rows, size_t i)
{
	return &rows->cells[i * rows->columns];
}

/* `json` may be NULL. */
static void add_member(struct buf *text, const char *name, const char *json)
{
	buf_printf(text, ",\"%s\":", name);
	buf_text(text, json != NULL ? json : "null");
}

static void make_json(struct call *call, const struct store_rows *rows)
{
	struct export *export = call->state;
	char *baseline = json_text(json_object_get(export->outcome.job, "baseline"));
	struct buf text;

	(void)rows;
	buf_init_long(&text, EXPORT_BYTES_MAX);
	buf_text(&text, "{\"spec\":");
	buf_text(&text, export->outcome.spec_text);
	buf_text(&text, ",\"capability\":");
	buf_text(&text, export->outcome.capability_text);
	buf_text(&text, ",\"job\":");
	buf_text(&text, export->outcome.job_text);
	add_member(&text, "baseline", baseline);
	add_member(&text, "best", export->best);
	buf_text(&text, ",\"trials\":[");
	buf_add(&text, export->trials.bytes, export->trials.length);
	buf_text(&text, "],\"events\":[");
	buf_add(&text, export->events.bytes, export->events.length);
	buf_text(&text, "]}");
	free(baseline);
	if (text.failed || export->trials.failed || export->events.failed) {
		buf_finish(&text);
	} else {
		export->outcome.text = buf_take(&text, NULL);
	}
}

static void reply_json(struct call *call)
{
	struct export *export = call->state;
	char *text = export->outcome.text;

	export->outcome.text = NULL;
	if (text == NULL) {
		too_large(call);
	} else {
		call_reply_text(call, 200, "application/json", text);
	}
}

/* A trial's document with its config as one more member. */
static void add_trial(struct export *export, char *const *cells)
{
	struct buf *trials = &export->trials;
	json_t *changes = json_object_get(export->configs, cells[1]);
	bool baseline = strcmp(cells[1], "0") == 0;

	buf_text(trials, trials->length > 0 ? "," : "");
	buf_add(trials, cells[0], strlen(cells[0]) - 1);
	/* What has no config is no question about one, except for the baseline. */
	if (changes != NULL || baseline) {
		const struct spec *spec = export->outcome.spec;
		struct config *config =
			changes != NULL ? codec_changes_read(spec->space, changes) : NULL;

		buf_text(trials, ",\"config\":");
		codec_config_write(spec, config, false, trials);
		config_destroy(config);
	}
	buf_text(trials, "}");
	export->after = strtoll(cells[1], NULL, 10);
}

static void add_trials(struct call *call, const struct store_rows *rows)
{
	struct export *export = call->state;

	export->page = rows->count;
	for (size_t i = 0; i < rows->count && !export->trials.failed; i++) {
		add_trial(export, row_at(rows, i));
	}
}

static void next_trials(struct call *call);

static void on_trials(struct call *call, const struct store_rows *rows)
{
	beside_run(call, rows, add_trials, next_trials);
}

static void next_trials(struct call *call)
{
	const struct export *export = call->state;

	if (export->page == EXPORT_PAGE && !export->trials.failed) {
		read_trials(call, on_trials);
	} else {
		beside_run(call, NULL, make_json, reply_json);
	}
}

static void add_event(struct export *export, char *const *cells)
{
	struct buf *events = &export->events;
	json_t *event = json_loads(cells[0], 0, NULL);
	enum logged type = logged_find(json_string_value(json_object_get(event, "type")));
	json_t *changes = json_object_get(json_object_get(event, "data"), "config");

	if (changes != NULL && (type == LOGGED_QUESTION_ASKED || type == LOGGED_TRIAL_IMPORTED)) {
		json_int_t number = json_integer_value(json_object_get(event, "trial"));
		char *key = mem_printf("%lld", (long long)number);

		(void)json_object_set(export->configs, key, changes);
		free(key);
	}
	buf_text(events, events->length > 0 ? "," : "");
	buf_text(events, cells[0]);
	json_decref(event);
	export->after = strtoll(cells[1], NULL, 10);
}

static void read_events(struct call *call);

static void add_events(struct call *call, const struct store_rows *rows)
{
	struct export *export = call->state;

	export->page = rows->count;
	for (size_t i = 0; i < rows->count; i++) {
		add_event(export, row_at(rows, i));
	}
}

static void next_events(struct call *call)
{
	struct export *export = call->state;

	if (export->page == EXPORT_PAGE && !export->events.failed) {
		read_events(call);
		return;
	}
	export->after = -1;
	read_trials(call, on_trials);
}

static void on_events(struct call *call, const struct store_rows *rows)
{
	beside_run(call, rows, add_events, next_events);
}

static void read_events(struct call *call)
{
	const struct export *export = call->state;
	struct store_value values[] = {
		{.text = call->params[0]}, {.integer = export->after}, {.integer = EXPORT_PAGE}};

	call_query(call, QUERY_EVENTS, values, 3, on_events);
}

static void make_best(struct call *call, const struct store_rows *rows)
{
	char *best = rows->count > 0 ? outcome_best(call->state, rows) : NULL;

	gather(call)->best = best;
}

static void on_best(struct call *call, const struct store_rows *rows)
{
	beside_run(call, rows, make_best, read_events);
}

static void export_json(struct call *call)
{
	if (!outcome_read_best(call, on_best)) {
		(void)gather(call);
		read_events(call);
	}
}

static const char *const columns[] = {"number",  "kind",     "stage",    "state",
				      "source",  "accuracy", "feasible", "objective_value",
				      "metrics", "attempts", "worker",   "asked_at",
				      "told_at", "error",    NULL};

/* RFC 4180. A leading = + - @ would be a formula to a spreadsheet. */
static void add_csv_text(struct buf *text, const char *plain)
{
	buf_text(text, plain[0] != '\0' && strchr("=+-@", plain[0]) != NULL ? "\"'" : "\"");
	for (; *plain != '\0'; plain++) {
		buf_text(text, *plain == '"' ? "\"" : "");
		buf_add(text, plain, 1);
	}
	buf_text(text, "\"");
}

static void add_csv(struct buf *text, const json_t *value)
{
	char *json;

	if (value == NULL || json_is_null(value)) {
		return;
	}
	if (json_is_string(value)) {
		add_csv_text(text, json_string_value(value));
		return;
	}
	json = json_text(value);
	if (json_is_object(value)) {
		add_csv_text(text, json);
	} else {
		buf_text(text, json);
	}
	free(json);
}

static void on_csv_trials(struct call *call, const struct store_rows *rows)
{
	struct export *export = call->state;
	struct buf *text = &export->trials;

	for (size_t i = 0; i < rows->count; i++) {
		json_t *trial = json_loads(row_at(rows, i)[0], 0, NULL);

		for (int c = 0; columns[c] != NULL; c++) {
			buf_text(text, c > 0 ? "," : "");
			add_csv(text, json_object_get(trial, columns[c]));
		}
		buf_text(text, "\r\n");
		export->after = strtoll(row_at(rows, i)[1], NULL, 10);
		json_decref(trial);
	}
	if (text->failed) {
		too_large(call);
	} else if (rows->count == EXPORT_PAGE) {
		read_trials(call, on_csv_trials);
	} else {
		call_reply_text(call, 200, "text/csv; charset=utf-8; header=present",
				buf_take(text, NULL));
	}
}

static void export_csv(struct call *call)
{
	struct export *export = gather(call);

	for (int c = 0; columns[c] != NULL; c++) {
		buf_printf(&export->trials, "%s%s", c > 0 ? "," : "", columns[c]);
	}
	buf_text(&export->trials, "\r\n");
	export->after = -1;
	read_trials(call, on_csv_trials);
}

static const struct {
	const char *name;
	call_fn *whole;  /* answers with the job, or */
	format_fn *make; /* makes a file for a tool of the best config */
} formats[] = {
	{"json", export_json, NULL},
	{"csv", export_csv, NULL},
	{"inc", NULL, format_inc},
	{"onnxruntime", NULL, format_onnxruntime},
	{"openvino", NULL, format_openvino},
	{"torchao", NULL, format_torchao},
	{"autoround", NULL, format_autoround},
	{"modelopt", NULL, format_modelopt},
	{"llmcompressor", NULL, format_llmcompressor},
	{"quark", NULL, format_quark},
};

enum { FORMATS = sizeof(formats) / sizeof(formats[0]) };

/* The number of the format that a call asks for, the first one when it asks for none; -1 after a 400. */
static int chosen_format(struct call *call)
{
	const char *asked = request_query(call->request, "format"), *names[FORMATS + 1] = {NULL};
	int chosen = 0;

	for (int i = 0; i < FORMATS; i++) {
		names[i] = formats[i].name;
		chosen = asked != NULL && strcmp(asked, names[i]) == 0 ? i : chosen;
	}
	return page_choice(call, "format", names) ? chosen : -1;
}

static char *make_file(struct call *call, const struct store_rows *rows)
{
	const struct export *export = call->state;
	json_t *config = outcome_config(&export->outcome, rows->count > 0 ? rows->cells[1] : NULL);
	json_t *document = NULL;
	struct err err;

	if (export->make(&export->outcome, config, &document, &err) != 0) {
		beside_refuse(call, &err);
	}
	json_decref(config);
	return json_text_last(document);
}

static void on_best_for_file(struct call *call, const struct store_rows *rows)
{
	beside_reply(call, rows, make_file);
}

static void on_trial_for_file(struct call *call, const struct store_rows *rows)
{
	const char *number = request_query(call->request, "trial");

	if (rows->count == 0) {
		call_error(call, ERR_NOT_FOUND, "the job has no trial %s", number);
	} else if (rows->cells[1] == NULL && strcmp(number, "0") != 0) {
		call_error(call, ERR_INVALID_FIELD, "trial %s asked for no measurement of a config",
			   number);
	} else {
		beside_reply(call, rows, make_file);
	}
}

/* The trial that a call asks for, -1 when it asks for none; false after a 400. */
static bool named_trial(struct call *call, int64_t *ret_number)
{
	const char *text = request_query(call->request, "trial");
	char *end;

	*ret_number = -1;
	if (text == NULL) {
		return true;
	}
	*ret_number = strtoll(text, &end, 10);
	if (*text == '\0' || *end != '\0' || *ret_number < 0) {
		call_error(call, ERR_BAD_REQUEST, "trial is the number of one: 0, 1, 2, ...");
		return false;
	}
	return true;
}

static void choose_format(struct call *call)
{
	int chosen = chosen_format(call);
	struct store_value values[] = {{.text = call->params[0]}, {0}};

	if (!named_trial(call, &values[1].integer)) {
		return;
	}
	if (formats[chosen].whole != NULL) {
		formats[chosen].whole(call);
		return;
	}
	gather(call)->make = formats[chosen].make;
	if (values[1].integer >= 0) {
		call_query(call, QUERY_TRIAL, values, 2, on_trial_for_file);
	} else if (!outcome_read_best(call, on_best_for_file)) {
		outcome_no_best(call);
	}
}

static void export(struct call *call, const struct store_rows *rows)
{
	outcome_keep(call, rows, choose_format);
}

void export_job(struct call *call)
{
	if (chosen_format(call) >= 0) {
		document_of_job(call, export);
	}
}
