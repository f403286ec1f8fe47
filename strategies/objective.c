#include "strategies/objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define RELATIVE_MARGIN 1e-3

void objective_finish(struct objective *objective)
{
	for (size_t i = 0; i < objective->count; i++) {
		free(objective->metrics[i].name);
		objective->metrics[i].name = NULL;
	}
}

static double ratio(double numerator, double denominator)
{
	const double tiny = 1e-20; /* as INC does: a zero metric must not divide by zero */

	return (numerator != 0 ? numerator : tiny) / (denominator != 0 ? denominator : tiny);
}

double objective_value(const struct objective *objective, const double *values,
		       const double *baseline)
{
	double sum = 0, weights = 0;

	if (objective->count == 1) {
		return objective->metrics[0].higher_is_better ? -values[0] : values[0];
	}
	for (size_t i = 0; i < objective->count; i++) {
		const struct objective_metric *m = &objective->metrics[i];

		sum += m->weight * (m->higher_is_better ? ratio(baseline[i], values[i])
							: ratio(values[i], baseline[i]));
		weights += m->weight;
	}
	return sum / weights;
}

double objective_speedup(const struct objective *objective, double value, double baseline_value)
{
	bool inverted = objective->count == 1 && objective->metrics[0].higher_is_better;
	double a = inverted ? value : baseline_value;
	double b = inverted ? baseline_value : value;

	return b != 0 && isfinite(a / b) ? a / b : NAN;
}

bool candidate_better(const struct candidate *a, const struct candidate *b)
{
	double gap = fmax(fabs(a->objective), fabs(b->objective)) * RELATIVE_MARGIN;

	if (a->feasible != b->feasible) {
		return a->feasible;
	}
	if (a->feasible && (a->insists || b->insists)) {
		const struct candidate *later = a->number > b->number ? a : b;

		if (later->insists) {
			return later == a;
		}
	}
	if (!a->feasible && a->margin != b->margin) {
		return a->margin > b->margin;
	}
	if (fabs(a->objective - b->objective) > gap) {
		return a->objective < b->objective;
	}
	if (a->merit != b->merit) {
		return a->merit > b->merit;
	}
	if (a->fallbacks != b->fallbacks) {
		return a->fallbacks < b->fallbacks;
	}
	return a->number < b->number;
}

/* One objective over all rows, as INC ranks by it. */
struct column {
	size_t index; /* of the objective's metric, or of the criterion's when `accuracy` */
	double weight;
	bool accuracy;
	bool higher_is_better;
};

static double weighted_accuracy(const struct criterion *criterion, const double *accuracy)
{
	double sum = 0, weights = 0;

	if (!criterion->weighted) {
		return accuracy[0];
	}
	for (size_t i = 0; i < criterion->metric_count; i++) {
		sum += criterion->metrics[i].weight * accuracy[i];
		weights += criterion->metrics[i].weight;
	}
	return sum / weights;
}

static double cell(const struct column *column, const struct criterion *criterion,
		   const struct objective_row *row)
{
	if (!column->accuracy) {
		return row->values[column->index];
	}
	return criterion->weighted ? weighted_accuracy(criterion, row->accuracy)
				   : row->accuracy[column->index];
}

/* How the row compares with the baseline: larger is better, unless the direction is reversed. */
static double comparison(const struct column *column, const struct criterion *criterion,
			 const struct objective_row *baseline, const struct objective_row *row)
{
	double b = cell(column, criterion, baseline), x = cell(column, criterion, row);
	bool several = criterion->metric_count > 1;

	if (column->accuracy && !criterion->relative && (!several || column->higher_is_better)) {
		return b - x;
	}
	return ratio(b, x);
}

static void add_column(const struct column *column, const struct criterion *criterion,
		       const struct objective_row *baseline, const struct objective_row *rows,
		       size_t count, double *scores)
{
	double min = INFINITY, max = -INFINITY;

	for (size_t i = 0; i < count; i++) {
		double r = comparison(column, criterion, baseline, &rows[i]);

		min = fmin(min, r);
		max = fmax(max, r);
	}
	for (size_t i = 0; i < count; i++) {
		double r = comparison(column, criterion, baseline, &rows[i]);

		r = column->higher_is_better ? max + min - r : r;
		scores[i] += column->weight * (max != min ? (r - min) / (max - min) : r);
	}
}

/* Several accuracies without weights are as many columns, which share the objective's weight. */
static size_t columns_of(const struct objective *objective, const struct criterion *criterion,
			 struct column *ret)
{
	size_t count = 0, several = criterion->metric_count;
	const struct objective_metric *split = NULL;

	for (size_t i = 0; i < objective->count; i++) {
		const struct objective_metric *m = &objective->metrics[i];
		bool accuracy = strcmp(m->name, "accuracy") == 0;

		if (accuracy && several > 1 && !criterion->weighted) {
			split = m;
			continue;
		}
		ret[count++] = (struct column){.index = accuracy ? 0 : i,
					       .weight = m->weight,
					       .accuracy = accuracy,
					       .higher_is_better = m->higher_is_better};
	}
	for (size_t i = 0; split != NULL && i < several; i++) {
		ret[count++] =
			(struct column){.index = i,
					.weight = split->weight / (double)several,
					.accuracy = true,
					.higher_is_better = criterion->metrics[i].higher_is_better};
	}
	return count;
}

size_t objective_choose(const struct objective *objective, const struct criterion *criterion,
			const struct objective_row *baseline, const struct objective_row *rows,
			size_t count)
{
	struct column columns[2 * LIMIT_METRICS];
	size_t column_count = columns_of(objective, criterion, columns);
	double *scores = mem_new(count, sizeof(*scores));
	size_t best = 0;

	for (size_t i = 0; i < column_count; i++) {
		add_column(&columns[i], criterion, baseline, rows, count, scores);
	}
	for (size_t i = 0; i < count; i++) {
		scores[i] = rows[i].feasible ? scores[i] : 0;
		best = scores[i] > scores[best] ? i : best;
	}
	free(scores);
	return best;
}
