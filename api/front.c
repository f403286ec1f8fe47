/* Finds the Pareto front of a job, and says of each of its trials what it costs and gains. */
#include "api/front.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "job/job.h"

/* Columns of QUERY_TOLD. */
enum { TRIAL_TEXT, TRIAL_ACCURACY = 2, TRIAL_METRICS, TRIAL_REJECTED };

/* A told trial; of every cost less is better. Accuracies come first. */
struct point {
	size_t row;
	bool rejected; /* it is worse than it measured, nobody knows by how much in each */
	double costs[2 * LIMIT_METRICS];
};

static double number_or_nan(const json_t *value)
{
	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* A new reference; NULL of a NULL. */
static json_t *cell(const char *text)
{
	return text != NULL ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
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
	json_t *accuracy = cell(cells[TRIAL_ACCURACY]);
	json_t *metrics = cell(cells[TRIAL_METRICS]);
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
	ret->rejected = cells[TRIAL_REJECTED] != NULL;
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

	if (a->rejected && !b->rejected) {
		return false;
	}
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
static size_t keep_front(struct point *points, size_t count, size_t costs)
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

/* What the points of a front are shown by, beside their accuracy. */
struct shown {
	struct criterion criterion; /* not fixed before the baseline; names are the spec's */
	struct objective objective; /* one metric; `count` 0 where several are open */
	size_t at;                  /* its place among the objective's metrics */
	double baseline;            /* of it; NAN */
};

size_t front_metric(const struct spec *spec)
{
	size_t at = SIZE_MAX, count = 0;

	for (size_t i = 0; i < spec->objective.count; i++) {
		if (spec->objective.count == 1 ||
		    strcmp(spec->objective.metrics[i].name, "accuracy") != 0) {
			at = i;
			count++;
		}
	}
	return count == 1 ? at : SIZE_MAX;
}

static struct shown shown_of(const struct outcome *outcome)
{
	const json_t *baseline = json_object_get(outcome->job, "baseline");
	struct shown shown = {.criterion = outcome->spec->criterion, .baseline = NAN};
	double accuracy[LIMIT_METRICS] = {0}, values[LIMIT_METRICS] = {0};
	size_t at = front_metric(outcome->spec);

	shown.objective.rules = outcome->spec->rules;
	if (at != SIZE_MAX) {
		shown.at = at;
		shown.objective.count = 1;
		shown.objective.metrics[0] = outcome->spec->objective.metrics[at];
		shown.objective.metrics[0].weight = 1;
	}
	if (json_is_object(baseline)) {
		job_read_measurement(outcome->spec, baseline, accuracy, values);
		(void)criterion_fix(&shown.criterion, accuracy, NULL);
		shown.baseline = values[shown.at];
	}
	return shown;
}

static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

/* What it is worth by the one metric, or nothing of that; accuracy is no gain of its own. */
static json_t *worth_of(const struct shown *shown, double value)
{
	const struct objective *objective = &shown->objective;
	bool one = objective->count == 1;
	bool gains = one && strcmp(objective->metrics[0].name, "accuracy") != 0;
	double speedup = gains ? objective_speedup(objective, &value, &shown->baseline) : NAN;
	double gain = gains ? objective_gain(objective, &value, &shown->baseline) : NAN;

	return json_pack("{s:s?, s:o, s:o, s:o}", "objective",
			 one ? objective->metrics[0].name : NULL, "value",
			 number(one ? value : NAN), "speedup", number(speedup), "gain",
			 number(gain));
}

/* A trial with what it is shown by. */
static void add_item(const struct shown *shown, const struct spec *spec, const char *trial,
		     struct buf *text)
{
	json_t *told = json_loads(trial, 0, NULL), *more;
	double accuracy[LIMIT_METRICS] = {0}, values[LIMIT_METRICS] = {0}, loss = NAN;
	char *written;

	job_read_measurement(spec, told, accuracy, values);
	if (shown->criterion.fixed) {
		loss = criterion_loss(&shown->criterion, accuracy);
	}
	more = worth_of(shown, values[shown->at]);
	(void)json_object_set_new(more, "accuracy_loss", number(loss));
	written = json_text_last(more);
	buf_add(text, trial, strlen(trial) - 1);
	buf_printf(text, ",%s", &written[1]);
	free(written);
	json_decref(told);
}

/* The points of the front first; the caller frees them. */
static struct point *find(const struct spec *spec, const struct store_rows *rows, size_t *ret_count)
{
	struct point *points = mem_new(rows->count, sizeof(*points));
	size_t costs = 0;

	for (size_t i = 0; i < rows->count; i++) {
		points[i].row = i;
		costs = read_point(spec, &rows->cells[i * rows->columns], &points[i]);
	}
	*ret_count = keep_front(points, rows->count, costs);
	return points;
}

size_t front_rows(const struct spec *spec, const struct store_rows *rows, size_t *ret)
{
	size_t count;
	struct point *points = find(spec, rows, &count);

	for (size_t i = 0; i < count; i++) {
		ret[i] = points[i].row;
	}
	free(points);
	return count;
}

void front_measured(const struct spec *spec, char *const *cells, double *ret_accuracy,
		    double *ret_value)
{
	double accuracy[LIMIT_METRICS] = {0}, values[LIMIT_METRICS] = {0};
	json_t *told = json_pack("{s:o*, s:o*}", "accuracy", cell(cells[TRIAL_ACCURACY]), "metrics",
				 cell(cells[TRIAL_METRICS]));

	job_read_measurement(spec, told, accuracy, values);
	*ret_accuracy = criterion_accuracy(&spec->criterion, accuracy);
	*ret_value = values[front_metric(spec)];
	json_decref(told);
}

char *front_text(const struct outcome *outcome, const struct store_rows *rows)
{
	size_t count;
	struct point *points = find(outcome->spec, rows, &count);
	struct shown shown = shown_of(outcome);
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	buf_text(&text, "{\"items\":[");
	for (size_t i = 0; i < count; i++) {
		buf_text(&text, i > 0 ? "," : "");
		add_item(&shown, outcome->spec,
			 rows->cells[points[i].row * rows->columns + TRIAL_TEXT], &text);
	}
	buf_text(&text, "],\"next\":null}");
	free(points);
	return buf_take_whole(&text);
}
