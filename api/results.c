/* Routes about what a job has found: its space, its best, its Pareto front, sensitivities. */
#include "api/beside.h"
#include "api/outcome.h"
#include "api/resources.h"
#include "api/tolerance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "job/spec/codec_space.h"
#include "tuner/sensitivity.h"

static char *make_space(struct call *call, const struct store_rows *rows)
{
	struct buf text;

	(void)rows;
	buf_init_long(&text, SIZE_MAX / 2);
	codec_space_write(call->spec, &text);
	buf_add(&text, "}", 1);
	if (text.failed) {
		buf_finish(&text);
		return NULL;
	}
	return buf_take(&text, NULL);
}

static void reply_space(struct call *call)
{
	beside_reply(call, NULL, make_space);
}

static void space(struct call *call, const struct store_rows *rows)
{
	document_with_spec(call, rows, reply_space);
}

void results_space(struct call *call)
{
	document_of_space(call, space);
}

static char *make_best(struct call *call, const struct store_rows *rows)
{
	return outcome_best(call->state, rows);
}

static void on_best_trial(struct call *call, const struct store_rows *rows)
{
	if (!call_found(call, rows, "job")) {
		return;
	}
	beside_reply(call, rows, make_best);
}

static void read_best(struct call *call)
{
	struct outcome *outcome = call->state;
	bool asked = request_query(call->request, "tolerable_loss") != NULL;

	if (asked) {
		outcome->criterion = outcome->spec->criterion;
	}
	if (asked && !tolerance_is_own(call)) {
		tolerance_reply(call);
	} else if (!outcome_read_best(call, on_best_trial)) {
		outcome_no_best(call);
	}
}

static void best(struct call *call, const struct store_rows *rows)
{
	outcome_keep(call, rows, read_best);
}

void results_best(struct call *call)
{
	document_of_space(call, best);
}

/* A told trial; of every cost less is better. Accuracies come first. */
struct point {
	size_t row;
	double costs[2 * LIMIT_METRICS];
};

static double number_or_nan(const json_t *value)
{
	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* The accuracies that count: each, or their weighted mean when they are compared by that. */
static size_t accuracy_costs(const struct criterion *criterion, const json_t *accuracy,
			     double *costs)
{
	double values[LIMIT_METRICS];

	for (size_t i = 0; i < criterion->metric_count; i++) {
		const struct criterion_metric *m = &criterion->metrics[i];

		values[i] = number_or_nan(m->name != NULL ? json_object_get(accuracy, m->name)
							  : accuracy);
		costs[i] = m->higher_is_better ? -values[i] : values[i];
	}
	if (criterion->weighted) {
		costs[0] = -criterion_merit(criterion, values);
		return 1;
	}
	return criterion->metric_count;
}

/* Returns the number of costs. Accuracy counts twice when the objective wants it the other way round
 * than the criterion. A metric that is not there is as bad as can be. */
static size_t read_point(const struct spec *spec, char *const *cells, struct point *ret)
{
	json_t *accuracy = cells[2] != NULL ? json_loads(cells[2], JSON_DECODE_ANY, NULL) : NULL;
	json_t *metrics = cells[3] != NULL ? json_loads(cells[3], 0, NULL) : NULL;
	size_t count = accuracy_costs(&spec->criterion, accuracy, ret->costs);
	bool higher = spec->criterion.metrics[0].higher_is_better;

	for (size_t i = 0; i < spec->objective.count; i++) {
		const struct objective_metric *m = &spec->objective.metrics[i];
		double value = number_or_nan(json_object_get(metrics, m->name));

		if (strcmp(m->name, "accuracy") != 0) {
			ret->costs[count++] = m->higher_is_better ? -value : value;
		} else if (spec->rules >= 2 && m->higher_is_better != higher) {
			ret->costs[count++] = -ret->costs[0];
		}
	}
	for (size_t i = 0; i < count; i++) {
		ret->costs[i] = isnan(ret->costs[i]) ? INFINITY : ret->costs[i];
	}
	json_decref(accuracy);
	json_decref(metrics);
	return count;
}

static bool dominates(const struct point *a, const struct point *b, size_t costs)
{
	bool better = false;

	for (size_t i = 0; i < costs; i++) {
		if (a->costs[i] > b->costs[i]) {
			return false;
		}
		better = better || a->costs[i] < b->costs[i];
	}
	return better;
}

static int by_costs(const void *a, const void *b, void *costs)
{
	const struct point *x = a, *y = b;

	for (size_t i = 0; i < *(size_t *)costs; i++) {
		if (x->costs[i] != y->costs[i]) {
			return x->costs[i] < y->costs[i] ? -1 : 1;
		}
	}
	return (x->row > y->row) - (x->row < y->row);
}

/* In the order of their costs, only points already on the front can dominate a later one. */
static size_t front(struct point *points, size_t count, size_t costs)
{
	size_t kept = 0;

	qsort_r(points, count, sizeof(*points), by_costs, &costs);
	for (size_t i = 0; i < count; i++) {
		bool beaten = false;

		for (size_t k = kept; k-- > 0 && !beaten;) {
			beaten = dominates(&points[k], &points[i], costs);
		}
		if (!beaten) {
			points[kept++] = points[i];
		}
	}
	return kept;
}

static void find_front(struct call *call, const struct store_rows *rows)
{
	struct outcome *outcome = call->state;
	struct point *points = mem_new(rows->count, sizeof(*points));
	struct buf text;
	size_t count, costs = 0;

	for (size_t i = 0; i < rows->count; i++) {
		points[i].row = i;
		costs = read_point(outcome->spec, &rows->cells[i * rows->columns], &points[i]);
	}
	count = front(points, rows->count, costs);
	buf_init(&text, SIZE_MAX / 2);
	buf_text(&text, "{\"items\":[");
	for (size_t i = 0; i < count; i++) {
		buf_text(&text, i > 0 ? "," : "");
		buf_text(&text, rows->cells[points[i].row * rows->columns]);
	}
	buf_text(&text, "],\"next\":null}");
	free(points);
	outcome->text = buf_take(&text, NULL);
}

static void reply_text(struct call *call)
{
	struct outcome *outcome = call->state;
	char *text = outcome->text;

	outcome->text = NULL;
	call_reply_text(call, 200, "application/json", text);
}

static void on_told(struct call *call, const struct store_rows *rows)
{
	beside_run(call, rows, find_front, reply_text);
}

static void read_told(struct call *call)
{
	call_find(call, QUERY_TOLD, on_told);
}

static void pareto(struct call *call, const struct store_rows *rows)
{
	outcome_keep(call, rows, read_told);
}

void results_pareto(struct call *call)
{
	document_of_space(call, pareto);
}

/* Fits models, and is long with many operators. */
static char *make_sensitivity(struct call *call, const struct store_rows *rows)
{
	const struct outcome *outcome = call->state;
	struct sensitivity *sensitivity =
		sensitivity_create(outcome->spec, json_object_get(outcome->job, "baseline"), rows);
	char *text;

	sensitivity_learn(sensitivity);
	text = sensitivity_text(sensitivity);
	sensitivity_destroy(sensitivity);
	return text;
}

static void on_answered(struct call *call, const struct store_rows *rows)
{
	beside_reply(call, rows, make_sensitivity);
}

static void read_answered(struct call *call)
{
	call_find(call, QUERY_ANSWERED, on_answered);
}

static void sensitivity(struct call *call, const struct store_rows *rows)
{
	outcome_keep(call, rows, read_answered);
}

void results_sensitivity(struct call *call)
{
	document_of_space(call, sensitivity);
}
