/* Compares the baseline of the job to start warm from with this job's own. */
#include "job/warm.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "job/noise.h"

enum { TEXT_MAX = 32768 };

static const double factor_max = 1.5; /* no noise explains more */
static const double losses_max = 5;

static double smaller(double a, double b)
{
	return fmin(fabs(a), fabs(b));
}

static double larger(double a, double b)
{
	return fmax(fabs(a), fabs(b));
}

/* 0 has no factor to anything. */
static bool objective_differs(double there, double here)
{
	return smaller(there, here) > 0 &&
	       (there * here < 0 || larger(there, here) > factor_max * smaller(there, here));
}

static bool accuracy_differs(const struct criterion *c, size_t i, double there, double here)
{
	double loss = fmax(c->metrics[c->weighted ? 0 : i].tolerable_loss, 0);
	double may_be_lost = c->relative ? loss * fabs(here) : loss;
	double difference = fabs(there - here);
	bool by_factor = larger(there, here) > factor_max * smaller(there, here);

	return difference > noise_unknown * larger(there, here) &&
	       difference > (by_factor ? 1 : losses_max) * may_be_lost;
}

static void add(struct buf *text, const char *name, double there, double here)
{
	buf_printf(text, "%s%s is %.6g there and %.6g here", text->length > 0 ? ", " : "", name,
		   there, here);
}

static void compare_accuracy(const struct job *job, struct buf *text)
{
	const struct criterion *c = &job->spec->criterion;
	const json_t *all = json_object_get(job->warm_baseline, "accuracy");

	for (size_t i = 0; i < c->metric_count; i++) {
		const char *name = c->metrics[i].name;
		const json_t *there = name != NULL ? json_object_get(all, name) : all;
		double here = job->trials[0]->accuracy[i];

		if (json_is_number(there) &&
		    accuracy_differs(c, i, json_number_value(there), here)) {
			add(text, name != NULL ? name : "accuracy", json_number_value(there), here);
		}
	}
}

static void compare_objectives(const struct job *job, struct buf *text)
{
	const struct objective *objective = &job->spec->objective;
	const json_t *metrics = json_object_get(job->warm_baseline, "metrics");

	for (size_t i = 0; i < objective->count; i++) {
		const char *name = objective->metrics[i].name;
		const json_t *there = json_object_get(metrics, name);
		double here = job->trials[0]->objectives[i];

		if (json_is_number(there) && strcmp(name, "accuracy") != 0 &&
		    objective_differs(json_number_value(there), here)) {
			add(text, name, json_number_value(there), here);
		}
	}
}

static bool has_imports(const struct job *job)
{
	bool found = false;

	for (int64_t i = 1; i < job->trial_count && !found; i++) {
		found = job->trials[i]->imported && job->trials[i]->kind == QUESTION_EVALUATE;
	}
	return found;
}

void warm_compare(struct job *job)
{
	struct buf differences;

	if (job->warm_baseline == NULL || !has_imports(job)) {
		return;
	}
	buf_init(&differences, TEXT_MAX);
	compare_accuracy(job, &differences);
	compare_objectives(job, &differences);
	if (differences.length > 0) {
		json_t *detail = json_sprintf(
			"the measurements imported from %s are not comparable with this job's own: "
			"of "
			"the baseline, %s. They count all the same, so that \"best\" may name one "
			"that "
			"was never measured as this job measures. Cancel this job and submit it "
			"without "
			"\"warm_start\" (a clone: \"warm_start\": false), or with \"warm_start\": "
			"{\"library\": true}",
			job->spec->warm_start, differences.bytes);

		job_record(job, LOGGED_WARNING, -1, json_pack("{s:o}", "detail", detail));
	}
	buf_finish(&differences);
}
