/* Computes bounds, margins and losses of accuracies. */
#include "strategies/interface/criterion.h"

#include <math.h>
#include <stdlib.h>

#include "base/buf.h"

enum { WORDS_MAX = 256 };

/* What is compared: each accuracy by itself, or the one weighted mean. */
static size_t compared(const struct criterion *c)
{
	return c->weighted ? 1 : c->metric_count;
}

static double value_of(const struct criterion *c, const double *accuracy, size_t i)
{
	double sum = 0, weights = 0;

	if (!c->weighted) {
		return accuracy[i];
	}
	for (size_t k = 0; k < c->metric_count; k++) {
		sum += c->metrics[k].weight * accuracy[k];
		weights += c->metrics[k].weight;
	}
	return sum / weights;
}

static double sign_of(const struct criterion *c, size_t i)
{
	return c->metrics[i].higher_is_better ? 1.0 : -1.0;
}

void criterion_finish(struct criterion *criterion)
{
	for (size_t i = 0; i < criterion->metric_count; i++) {
		free(criterion->metrics[i].name);
		criterion->metrics[i].name = NULL;
	}
}

int criterion_fix(struct criterion *criterion, const double *baseline, struct err *reterr)
{
	for (size_t i = 0; i < compared(criterion); i++) {
		double b = value_of(criterion, baseline, i);
		double loss = criterion->metrics[i].tolerable_loss;

		if (criterion->relative && b == 0) {
			return err_set(reterr, ERR_INVALID_FIELD,
				       "the baseline's accuracy is 0, so a relative loss means "
				       "nothing: use \"criterion\": \"absolute\"");
		}
		criterion->baseline[i] = b;
		criterion->bound[i] =
			b - sign_of(criterion, i) * (criterion->relative ? loss * fabs(b) : loss);
		if (criterion->rules >= 2 && !isfinite(criterion->bound[i])) {
			return err_set(reterr, ERR_INVALID_FIELD,
				       "the bound that follows from the baseline's accuracy %g and "
				       "the tolerable loss is too large for a number: scale the "
				       "accuracy or allow a smaller loss",
				       b);
		}
	}
	criterion->fixed = true;
	return 0;
}

/* Positive when better than the bound, in the metric's own unit. */
static double distance(const struct criterion *c, const double *accuracy, size_t i)
{
	return sign_of(c, i) * (value_of(c, accuracy, i) - c->bound[i]);
}

double criterion_tolerance(const struct criterion *criterion, size_t i)
{
	double scale = criterion->rules >= 2 ? fabs(criterion->baseline[i]) : 1.0;

	return 1e-9 * fmax(scale, fabs(criterion->bound[i]));
}

char *criterion_too_much(double loss)
{
	struct buf text;

	buf_init(&text, WORDS_MAX);
	buf_printf(&text, "a share of the accuracy is expected, and %g is more than all of it",
		   loss);
	if (loss <= 100) { /* in percent, too, more would be more than all */
		buf_printf(&text, ": is %g %% meant, which is %g?", loss, loss / 100);
	}
	return buf_take(&text, NULL);
}

bool criterion_meets(const struct criterion *criterion, const double *accuracy)
{
	for (size_t i = 0; i < compared(criterion); i++) {
		if (!(distance(criterion, accuracy, i) >= -criterion_tolerance(criterion, i))) {
			return false;
		}
	}
	return true;
}

double criterion_margin(const struct criterion *criterion, const double *accuracy)
{
	double least = INFINITY;

	for (size_t i = 0; i < compared(criterion); i++) {
		double unit = fabs(criterion->baseline[i] - criterion->bound[i]);

		least = fmin(least, distance(criterion, accuracy, i) / (unit > 0 ? unit : 1.0));
	}
	return least;
}

double criterion_merit(const struct criterion *criterion, const double *accuracy)
{
	if (compared(criterion) > 1 && criterion->fixed) {
		return criterion_margin(criterion, accuracy);
	}
	return sign_of(criterion, 0) * value_of(criterion, accuracy, 0);
}

double criterion_accuracy(const struct criterion *criterion, const double *accuracy)
{
	return value_of(criterion, accuracy, 0);
}

double criterion_loss(const struct criterion *criterion, const double *accuracy)
{
	double worst = -INFINITY;

	for (size_t i = 0; i < compared(criterion); i++) {
		double loss = sign_of(criterion, i) *
			      (criterion->baseline[i] - value_of(criterion, accuracy, i));

		worst = fmax(worst,
			     criterion->relative ? loss / fabs(criterion->baseline[i]) : loss);
	}
	return worst;
}
