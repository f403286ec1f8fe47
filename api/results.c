#include "api/document.h"
#include "api/resources.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tuner/codec_config.h"

/* What a handler here keeps: the job's row, parsed, while the trials are read. */
struct result {
	struct spec *spec;
	json_t *job;
	json_t *best; /* the document of GET .../best while an export gathers */
	char *spec_text, *capability_text;
};

static void result_destroy(void *state)
{
	struct result *result = state;

	spec_destroy(result->spec);
	json_decref(result->job);
	json_decref(result->best);
	free(result->spec_text);
	free(result->capability_text);
	free(result);
}

static struct result *keep(struct call *call, const struct store_rows *rows)
{
	struct spec *spec = document_spec(call, rows);
	struct result *result;

	if (spec == NULL) {
		return NULL;
	}
	result = mem_new(1, sizeof(*result));
	result->spec = spec;
	result->job = json_loads(rows->cells[JOB_DOCUMENT], 0, NULL);
	result->spec_text = mem_dup(rows->cells[JOB_SPEC]);
	result->capability_text = mem_dup(rows->cells[JOB_CAPABILITY]);
	call->state = result;
	call->state_destroy = result_destroy;
	return result;
}

static void space(struct call *call, const struct store_rows *rows)
{
	struct spec *spec = document_spec(call, rows);

	if (spec != NULL) {
		call_reply_json(call, 200, codec_space_json(spec));
		spec_destroy(spec);
	}
}

void results_space(struct call *call)
{
	document_of_job(call, space);
}

static json_t *config_of(const struct result *result, const char *changes)
{
	json_t *list = changes != NULL ? json_loads(changes, 0, NULL) : NULL;
	struct config *config = list != NULL ? codec_changes_read(result->spec->space, list) : NULL;
	json_t *document = codec_config_json(result->spec, config, false);

	config_destroy(config);
	json_decref(list);
	return document;
}

/* Whether no feasible trial beats the baseline on the objective. */
static bool keep_baseline(const json_t *best)
{
	const json_t *speedup = json_object_get(best, "speedup");

	return !json_is_true(json_object_get(best, "feasible")) || !json_is_number(speedup) ||
	       json_number_value(speedup) <= 1;
}

static json_t *best_document(const struct result *result, const struct store_rows *rows)
{
	json_t *best = json_deep_copy(json_object_get(result->job, "best"));
	json_t *trial = json_loads(rows->cells[0], 0, NULL);
	json_t *nearest = json_null();

	if (!json_is_true(json_object_get(best, "feasible"))) {
		const json_t *margin = json_object_get(trial, "margin");

		nearest = json_pack("{s:O, s:f}", "accuracy", json_object_get(best, "accuracy"),
				    "misses_by", -json_number_value(margin));
	}
	(void)json_object_set_new(best, "metrics", json_incref(json_object_get(trial, "metrics")));
	(void)json_object_set_new(best, "keep_baseline", json_boolean(keep_baseline(best)));
	(void)json_object_set_new(best, "nearest", nearest);
	(void)json_object_set_new(best, "config", config_of(result, rows->cells[1]));
	json_decref(trial);
	return best;
}

static void on_best_trial(struct call *call, const struct store_rows *rows)
{
	if (rows->count == 0) {
		call_error(call, ERR_NOT_FOUND, "the best trial is gone");
		return;
	}
	call_reply_json(call, 200, best_document(call->state, rows));
}

static bool query_best(struct call *call, const struct result *result,
		       void (*next)(struct call *call, const struct store_rows *rows))
{
	const json_t *best = json_object_get(result->job, "best");
	struct store_value values[] = {
		{.text = call->params[0]},
		{.integer = json_integer_value(json_object_get(best, "trial"))}};

	if (!json_is_object(best)) {
		return false;
	}
	call_query(call, QUERY_TRIAL, values, 2, next);
	return true;
}

static void best(struct call *call, const struct store_rows *rows)
{
	struct result *result = keep(call, rows);

	if (result != NULL && !query_best(call, result, on_best_trial)) {
		call_error(call, ERR_WRONG_STATE, "no trial has been measured yet");
	}
}

void results_best(struct call *call)
{
	document_of_job(call, best);
}

/* A point of the front: accuracy as merit (higher is better), objectives as costs. */
struct point {
	size_t row;
	double merit;
	double costs[LIMIT_METRICS];
};

static bool read_point(const struct spec *spec, char *const *cells, struct point *ret)
{
	json_t *accuracy = cells[2] != NULL ? json_loads(cells[2], JSON_DECODE_ANY, NULL) : NULL;
	json_t *metrics = cells[3] != NULL ? json_loads(cells[3], 0, NULL) : NULL;
	const json_t *first = json_is_object(accuracy)
				      ? json_object_get(accuracy, spec->criterion.metrics[0].name)
				      : accuracy;
	bool known = json_is_number(first);
	double value = json_number_value(first);

	ret->merit = spec->criterion.metrics[0].higher_is_better ? value : -value;
	for (size_t i = 0; i < spec->objective.count; i++) {
		const struct objective_metric *m = &spec->objective.metrics[i];
		double cost = strcmp(m->name, "accuracy") == 0
				      ? value
				      : json_number_value(json_object_get(metrics, m->name));

		ret->costs[i] = m->higher_is_better ? -cost : cost;
	}
	json_decref(accuracy);
	json_decref(metrics);
	return known;
}

static bool dominates(const struct point *a, const struct point *b, size_t objectives)
{
	bool better = a->merit > b->merit;

	if (a->merit < b->merit) {
		return false;
	}
	for (size_t i = 0; i < objectives; i++) {
		if (a->costs[i] > b->costs[i]) {
			return false;
		}
		better = better || a->costs[i] < b->costs[i];
	}
	return better;
}

static int by_merit(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->merit != y->merit) {
		return x->merit > y->merit ? -1 : 1;
	}
	if (x->costs[0] != y->costs[0]) {
		return x->costs[0] < y->costs[0] ? -1 : 1;
	}
	return (x->row > y->row) - (x->row < y->row);
}

/* Sorted by accuracy, only points already on the front can dominate a later one. */
static size_t front(struct point *points, size_t count, size_t objectives)
{
	size_t kept = 0;

	qsort(points, count, sizeof(*points), by_merit);
	for (size_t i = 0; i < count; i++) {
		bool beaten = false;

		for (size_t k = kept; k-- > 0 && !beaten;) {
			beaten = dominates(&points[k], &points[i], objectives);
		}
		if (!beaten) {
			points[kept++] = points[i];
		}
	}
	return kept;
}

static void on_told(struct call *call, const struct store_rows *rows)
{
	const struct result *result = call->state;
	struct point *points = mem_new(rows->count, sizeof(*points));
	struct buf text;
	size_t count = 0;

	for (size_t i = 0; i < rows->count; i++) {
		points[count].row = i;
		count += read_point(result->spec, &rows->cells[i * rows->columns], &points[count]);
	}
	count = front(points, count, result->spec->objective.count);
	buf_init(&text, SIZE_MAX / 2);
	buf_text(&text, "{\"items\":[");
	for (size_t i = 0; i < count; i++) {
		buf_text(&text, i > 0 ? "," : "");
		buf_text(&text, rows->cells[points[i].row * rows->columns]);
	}
	buf_text(&text, "],\"next\":null}");
	free(points);
	call_reply_text(call, 200, "application/json", buf_take(&text, NULL));
}

static void pareto(struct call *call, const struct store_rows *rows)
{
	struct store_value id = {.text = call->params[0]};

	if (keep(call, rows) != NULL) {
		call_query(call, QUERY_TOLD, &id, 1, on_told);
	}
}

void results_pareto(struct call *call)
{
	document_of_job(call, pareto);
}

static void on_export_trials(struct call *call, const struct store_rows *rows)
{
	struct result *result = call->state;
	json_t *trials = json_array();

	for (size_t i = 0; i < rows->count; i++) {
		(void)json_array_append_new(trials,
					    json_loads(rows->cells[i * rows->columns], 0, NULL));
	}
	call_reply_json(call, 200,
			json_pack("{s:O, s:o, s:o, s:O?, s:o}", "job", result->job, "spec",
				  json_loads(result->spec_text, 0, NULL), "capability",
				  json_loads(result->capability_text, 0, NULL), "best",
				  result->best, "trials", trials));
}

static void read_export_trials(struct call *call)
{
	struct store_value id = {.text = call->params[0]};

	call_query(call, QUERY_TOLD, &id, 1, on_export_trials);
}

static void on_export_best(struct call *call, const struct store_rows *rows)
{
	struct result *result = call->state;

	result->best = rows->count > 0 ? best_document(result, rows) : NULL;
	read_export_trials(call);
}

static void add_csv(struct buf *text, const json_t *value)
{
	char *json = json_is_null(value) || value == NULL
			     ? mem_dup("")
			     : json_dumps(value,
					  JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

	if (json_is_string(value) || json_is_object(value)) {
		const char *plain = json_is_string(value) ? json_string_value(value) : json;

		/* A leading = + - @ would be a formula to a spreadsheet. */
		buf_text(text, strchr("=+-@", plain[0]) != NULL && plain[0] != '\0' ? "\"'" : "\"");
		for (; *plain != '\0'; plain++) {
			buf_text(text, *plain == '"' ? "\"" : "");
			buf_add(text, plain, 1);
		}
		buf_text(text, "\"");
	} else {
		buf_text(text, json);
	}
	free(json);
}

static void on_csv_trials(struct call *call, const struct store_rows *rows)
{
	static const char *const columns[] = {"number",  "kind",     "stage",    "state",
					      "source",  "accuracy", "feasible", "objective_value",
					      "metrics", "attempts", "asked_at", "told_at",
					      NULL};
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	for (int c = 0; columns[c] != NULL; c++) {
		buf_printf(&text, "%s%s", c > 0 ? "," : "", columns[c]);
	}
	buf_text(&text, "\r\n");
	for (size_t i = 0; i < rows->count; i++) {
		json_t *trial = json_loads(rows->cells[i * rows->columns], 0, NULL);

		for (int c = 0; columns[c] != NULL; c++) {
			buf_text(&text, c > 0 ? "," : "");
			add_csv(&text, json_object_get(trial, columns[c]));
		}
		buf_text(&text, "\r\n");
		json_decref(trial);
	}
	call_reply_text(call, 200, "text/csv; charset=utf-8", buf_take(&text, NULL));
}

/* INC's tune_cfg: operators keyed by "(name, type)", each with its two attributes. */
static json_t *inc_op(const json_t *op)
{
	static const char *const attributes[] = {"activation", "weight"};
	const char *mode = json_string_value(json_object_get(op, "mode"));
	bool quantized = strcmp(mode, "static") == 0 || strcmp(mode, "dynamic") == 0 ||
			 strcmp(mode, "weight_only") == 0;
	json_t *result = json_object();

	for (int i = 0; i < 2; i++) {
		json_t *attribute = json_object_get(op, attributes[i]);
		json_t *copy = attribute != NULL ? json_copy(attribute) : json_object();

		if (!quantized) {
			(void)json_object_set_new(copy, "dtype", json_string(mode));
		}
		(void)json_object_set_new(copy, "quant_mode",
					  json_string(quantized ? mode : "fp32"));
		if (attribute != NULL || i == 0 || !quantized) {
			(void)json_object_set(result, attributes[i], copy);
		}
		json_decref(copy);
	}
	return result;
}

static void on_inc_best(struct call *call, const struct store_rows *rows)
{
	json_t *config = rows->count > 0 ? config_of(call->state, rows->cells[1]) : json_object();
	json_t *ops = json_object();
	const char *name;
	json_t *op;

	json_object_foreach(json_object_get(config, "ops"), name, op) {
		char *key = mem_printf("('%s', '%s')", name,
				       json_string_value(json_object_get(op, "type")));

		(void)json_object_set_new(ops, key, inc_op(op));
		free(key);
	}
	call_reply_json(call, 200,
			json_pack("{s:o, s:O*, s:O*}", "op", ops, "calib_sampling_size",
				  json_object_get(config, "calibration_sampling_size"),
				  "recipe_cfgs", json_object_get(config, "recipes")));
	json_decref(config);
}

static void export(struct call *call, const struct store_rows *rows)
{
	const char *format = request_query(call->request, "format");
	struct store_value id = {.text = call->params[0]};
	struct result *result = keep(call, rows);

	if (result == NULL) {
		return;
	}
	if (format == NULL || strcmp(format, "json") == 0) {
		if (!query_best(call, result, on_export_best)) {
			read_export_trials(call);
		}
	} else if (strcmp(format, "csv") == 0) {
		call_query(call, QUERY_TOLD, &id, 1, on_csv_trials);
	} else if (strcmp(format, "inc") != 0) {
		call_error(call, ERR_BAD_REQUEST, "format is json, csv or inc");
	} else if (!query_best(call, result, on_inc_best)) {
		call_error(call, ERR_WRONG_STATE, "no trial has been measured yet");
	}
}

void results_export(struct call *call)
{
	document_of_job(call, export);
}
