#include "strategies/objective.h"

#include <math.h>
#include <stdlib.h>

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
