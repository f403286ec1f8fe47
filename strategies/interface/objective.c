/* Weighs measurements into one objective, and chooses among several as INC does. */
#include "strategies/interface/objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define RELATIVE_MARGIN 1e-3
#define VALUE_MAX       1e100
#define EXPONENT_MAX    700 /* exp() of more is no number */

void objective_finish(struct objective *objective)
{
	for (size_t i = 0; i < objective->count; i++) {
		free(objective->metrics[i].name);
		objective->metrics[i].name = NULL;
	}
}

/* What squares it must not overflow. */
static double bounded(double x)
{
	return fmax(-VALUE_MAX, fmin(x, VALUE_MAX));
}

static double ratio(double numerator, double denominator)
{
	const double tiny = 1e-20; /* as INC does: a zero metric must not divide by zero */

	return (numerator != 0 ? numerator : tiny) / (denominator != 0 ? denominator : tiny);
}

/* What a metric gains on the baseline in its own unit. */
static double better_by(const struct objective_metric *m, double value, double baseline)
{
	return m->higher_is_better ? value - baseline : baseline - value;
}

static double unit_of(double baseline)
{
	return baseline != 0 ? fabs(baseline) : 1;
}

static double mean_of_ratios(const struct objective *objective, const double *values,
			     const double *baseline)
{
	double sum = 0, weights = 0;

	for (size_t i = 0; i < objective->count; i++) {
		const struct objective_metric *m = &objective->metrics[i];

		sum += m->weight * (m->higher_is_better ? ratio(baseline[i], values[i])
							: ratio(values[i], baseline[i]));
		weights += m->weight;
	}
	return sum / weights;
}

double objective_value(const struct objective *objective, const double *values,
		       const double *baseline)
{
	double sum = 0, weights = 0;

	if (objective->count == 1) {
		return objective->metrics[0].higher_is_better ? -values[0] : values[0];
	}
	if (objective->rules < 2) {
		return mean_of_ratios(objective, values, baseline);
	}
	for (size_t i = 0; i < objective->count; i++) {
		const struct objective_metric *m = &objective->metrics[i];

		sum += m->weight * better_by(m, values[i], baseline[i]) / unit_of(baseline[i]);
		weights += m->weight;
	}
	return bounded(1 - sum / weights);
}

double objective_gain(const struct objective *objective, const double *values,
		      const double *baseline)
{
	bool single = objective->count == 1;
	double sum = 0;

	if (single && strcmp(objective->metrics[0].name, "accuracy") == 0) {
		return NAN;
	}
	for (size_t i = 0; i < objective->count; i++) {
		const struct objective_metric *m = &objective->metrics[i];

		if (values[i] == 0 || baseline[i] == 0) {
			return NAN;
		}
		sum += (single ? 1 : m->weight) * better_by(m, values[i], baseline[i]) /
		       fabs(baseline[i]);
	}
	return isfinite(sum) ? sum : NAN;
}

bool objective_gains(double gain, double min_gain)
{
	return gain >= min_gain - 1e-9;
}

/* The logarithm, going on straight below a hundredth and through 0. */
static double log_through_0(double x)
{
	const double knee = 0.01;

	return x > knee ? log(x) : log(knee) + (x - knee) / knee;
}

static double divide(double a, double b)
{
	return b != 0 && isfinite(a / b) ? a / b : NAN;
}

double objective_ratio(const struct objective *objective, double value, double baseline_value)
{
	bool inverted = objective->count == 1 && objective->metrics[0].higher_is_better;
	double gain = (baseline_value - value) / unit_of(baseline_value);

	if (objective->rules < 2) {
		return inverted ? divide(value, baseline_value) : divide(baseline_value, value);
	}
	if (inverted && baseline_value < 0) {
		gain = log_through_0(value / baseline_value);
	} else if (!inverted && baseline_value > 0) {
		gain = -log_through_0(value / baseline_value);
	}
	return exp(fmax(-EXPONENT_MAX, fmin(gain, EXPONENT_MAX)));
}

double objective_speedup(const struct objective *objective, const double *values,
			 const double *baseline)
{
	double value = objective_value(objective, values, baseline);
	double baseline_value = objective_value(objective, baseline, baseline);

	if (objective->rules < 2) {
		return objective_ratio(objective, value, baseline_value);
	}
	for (size_t i = 0; i < objective->count; i++) {
		if (objective->metrics[i].higher_is_better || !(values[i] > 0) ||
		    !(baseline[i] > 0)) {
			return NAN;
		}
	}
	return divide(baseline_value, value);
}

double objective_relative(const struct objective *objective, double value, double baseline_value)
{
	if (baseline_value > 0) {
		return value / baseline_value;
	}
	return objective->rules < 2 ? value
				    : 1 - (baseline_value - value) / unit_of(baseline_value);
}

double objective_weigh(const struct objective *objective, const struct criterion *criterion,
		       double relative, double margin)
{
	double lost = (1 - margin) * criterion->metrics[0].tolerable_loss, sum = 0, weights = 0;

	if (!criterion->relative) {
		lost /= unit_of(criterion_accuracy(criterion, criterion->baseline));
	}
	for (size_t i = 0; i < objective->count; i++) {
		const struct objective_metric *m = &objective->metrics[i];

		sum += m->weight * (strcmp(m->name, "accuracy") == 0 ? -lost : 1 - relative);
		weights += m->weight;
	}
	return bounded(1 - sum / weights);
}

bool candidate_better(const struct candidate *a, const struct candidate *b)
{
	double gap = fmax(fabs(a->objective), fabs(b->objective)) * RELATIVE_MARGIN;

	if (a->feasible != b->feasible) {
		return a->feasible;
	}
	if (a->feasible && a->gains != b->gains) {
		return a->gains;
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
	bool first_rules;
	bool differs; /* compared by difference: a ratio has no order when it may be negative */
};

static double cell(const struct column *column, const struct criterion *criterion,
		   const struct objective_row *row)
{
	if (!column->accuracy) {
		return row->values[column->index];
	}
	return criterion->weighted ? criterion_accuracy(criterion, row->accuracy)
				   : row->accuracy[column->index];
}

static bool is_signed(const struct column *column, const struct criterion *criterion,
		      const struct objective_row *baseline, const struct objective_row *rows,
		      size_t count)
{
	bool negative = cell(column, criterion, baseline) < 0;

	for (size_t i = 0; i < count; i++) {
		negative = negative || cell(column, criterion, &rows[i]) < 0;
	}
	return negative;
}

/* How the row compares with the baseline: larger is better, unless the direction is reversed. */
static double comparison(const struct column *column, const struct criterion *criterion,
			 const struct objective_row *baseline, const struct objective_row *row)
{
	double b = cell(column, criterion, baseline), x = cell(column, criterion, row);
	bool several = criterion->metric_count > 1;

	if (column->differs ||
	    (column->accuracy && !criterion->relative && (!several || column->higher_is_better))) {
		return bounded(b - x);
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
		r = max != min ? (r - min) / (max - min) : column->first_rules ? r : 1;
		scores[i] += column->weight * r;
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

/* Weighed and rounded, so that whoever reads the numbers finds the same one the least. */
static void make_values(const struct objective *objective, const double *scores, size_t count,
			double *ret)
{
	double weights = 0;

	for (size_t i = 0; i < objective->count; i++) {
		weights += objective->metrics[i].weight;
	}
	for (size_t i = 0; i < count; i++) {
		ret[i] = round((1 - scores[i] / weights) * 1e12) / 1e12;
	}
}

size_t objective_choose(const struct objective *objective, const struct criterion *criterion,
			const struct objective_row *baseline, const struct objective_row *rows,
			size_t count, double *ret_values)
{
	struct column columns[2 * LIMIT_METRICS];
	size_t column_count = columns_of(objective, criterion, columns);
	double *scores = mem_new(count, sizeof(*scores));
	bool first_rules = objective->rules < 2;
	size_t best = 0;

	for (size_t i = 0; i < column_count; i++) {
		columns[i].first_rules = first_rules;
		columns[i].differs =
			!first_rules && is_signed(&columns[i], criterion, baseline, rows, count);
		add_column(&columns[i], criterion, baseline, rows, count, scores);
	}
	make_values(objective, scores, count, ret_values);
	for (size_t i = 0; i < count; i++) {
		double score = first_rules ? scores[i] : -ret_values[i];

		/* By the first rules a miss may win over a score below 0. */
		scores[i] = rows[i].feasible ? score : first_rules ? 0 : -INFINITY;
		best = scores[i] > scores[best] ? i : best;
	}
	free(scores);
	return best;
}
