/* Says of a choice that was measured on few samples that chance may have chosen it. */
#include "job/coarse.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/figures.h"
#include "job/words.h"

/* Of more samples nearly everything that has six digits is a share. */
enum { DIFFERENT_MIN = 3, SAMPLES_MAX = 8000 };

/* What is worth a word: one in fifty. */
static const double worth_a_word = 0.02;
/* Where so many steps may be lost chance is less than that, whatever was. */
static const double steps_enough = 25.4;
/* What is lost by a config that should not have been chosen, in what may be. */
static const double too_much = 1.5;
/* Half of the last of six digits, and a little. */
static const double rounding = 0.6e-6;

static bool is_share(double accuracy, double whole, int64_t samples)
{
	double right = accuracy / whole * (double)samples;

	return fabs(right - round(right)) <= rounding * (double)samples;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static size_t count_different(const double *accuracies, size_t count)
{
	double *sorted = mem_new(count, sizeof(double));
	size_t different = count > 0;

	for (size_t i = 0; i < count; i++) {
		sorted[i] = accuracies[i];
	}
	qsort(sorted, count, sizeof(double), ascending);
	for (size_t i = 1; i < count; i++) {
		different += sorted[i] > sorted[i - 1];
	}
	free(sorted);
	return different;
}

int64_t coarse_samples(const double *accuracies, size_t count, double whole, int64_t most)
{
	if (count_different(accuracies, count) < DIFFERENT_MIN) {
		return 0;
	}
	for (int64_t samples = 2; samples <= most; samples++) {
		size_t shares = 0;

		while (shares < count && is_share(accuracies[shares], whole, samples)) {
			shares++;
		}
		if (shares == count) {
			return samples;
		}
	}
	return 0;
}

double coarse_chance(double lost, double allowed)
{
	double lies = too_much * allowed;

	return erfc((lies - lost) / sqrt(2 * lies)) / 2;
}

/* All that was measured on the data of the search. */
static size_t gather(const struct job *job, double *ret)
{
	size_t count = 0;

	for (int64_t i = 0; i < job->trial_count; i++) {
		const struct trial *t = job->trials[i];

		bool others = t->kind == QUESTION_CONFIRM && job->spec->acceptance != NULL;

		if (t->state == TRIAL_TOLD && t->accuracy != NULL && !t->partial && !t->excluded &&
		    !others) {
			ret[count++] = t->accuracy[0];
		}
	}
	return count;
}

/* Returns how many samples the job's accuracies are shares of, 0 when nobody can tell, and what one of them weighs. */
static int64_t count_samples(const struct job *job, double allowed, double *ret_step)
{
	double *accuracies = mem_new((size_t)job->trial_count, sizeof(double)), least = 0, most = 0;
	size_t count = gather(job, accuracies);
	int64_t samples;
	double whole;

	for (size_t i = 0; i < count; i++) {
		least = fmin(least, accuracies[i]);
		most = fmax(most, accuracies[i]);
	}
	whole = most > 1 ? 100 : 1;
	samples = least < 0 || most > whole
			  ? 0
			  : coarse_samples(
				    accuracies, count, whole,
				    (int64_t)fmin(SAMPLES_MAX, steps_enough * whole / allowed));
	free(accuracies);
	*ret_step = samples > 0 ? whole / (double)samples : NAN;
	return samples;
}

/* Whether what is handed over was judged on the data of the search alone. */
static bool is_unjudged(const struct job *job, const struct trial *choice, const struct figures *f)
{
	return job->spec->acceptance == NULL && choice->number > 0 && !choice->rejected &&
	       f->feasible && words_keep_because(job, choice, f, true) == NULL;
}

/* The chance is 0 where there is nothing to be said of it. */
static double find_chance(const struct job *job, const struct trial *choice, double allowed,
			  double step)
{
	const struct criterion *criterion = &job->spec->criterion;
	double sign = criterion->metrics[0].higher_is_better ? 1 : -1, chance = 0;
	struct figures f;

	figures_init(&f, job, choice);
	if (is_unjudged(job, choice, &f)) {
		chance = coarse_chance(sign * (criterion->baseline[0] - f.accuracy[0]) / step,
				       allowed / step);
	}
	figures_finish(&f);
	return chance;
}

char *coarse_choice(const struct job *job, const struct trial *choice)
{
	const struct criterion *criterion = &job->spec->criterion;
	double allowed = fabs(criterion->baseline[0] - criterion->bound[0]), step, chance;
	int64_t samples;

	if (criterion->metric_count > 1 || !(criterion->metrics[0].tolerable_loss > 0) ||
	    !(allowed > 0)) {
		return NULL;
	}
	samples = count_samples(job, allowed, &step);
	if (samples == 0) {
		return NULL;
	}
	if (step > allowed) {
		return mem_printf(
			"accuracies come in steps of %.3g, as those of %lld samples would, "
			"and %.3g may be lost: a single sample is more than that. "
			"Measure on more samples",
			step, (long long)samples, allowed);
	}
	chance = find_chance(job, choice, allowed, step);
	if (chance < worth_a_word) {
		return NULL;
	}
	return mem_printf("accuracies come in steps of %.3g, as those of %lld samples would: by "
			  "chance alone 1 in %.0f configs that lose half as much again as is "
			  "allowed would look as good as trial %lld. Measure on more samples, or "
			  "have the choice judged on others (acceptance)",
			  step, (long long)samples, fmax(2, floor(1 / chance)),
			  (long long)choice->number);
}
