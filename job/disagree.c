/* Compares the first measurement of a trial with those of the end game. */
#include "job/disagree.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/figures.h"
#include "job/noise.h"
#include "job/words.h"

/* What lies no farther apart is the same, whatever the noise is: of a choice, whose measurements are handed over, and of
 * the baseline, which to be a little slower from then on leads no search astray. */
static const double same = 1e-9, harmless = 0.1;

/* What is known of the two that were measured in turns. */
struct turns {
	const struct job *job;
	struct figures figures; /* of the choice */
	struct noise noise;
	double *values;            /* scratch */
	const struct trial **list; /* scratch */
	bool logarithm, compared;
};

static void turns_init(struct turns *turns, const struct job *job, const struct trial *choice)
{
	size_t capacity = (size_t)job->trial_count;

	*turns = (struct turns){.job = job};
	turns->values = mem_new(capacity, sizeof(*turns->values));
	turns->list = mem_new(capacity, sizeof(*turns->list));
	turns->logarithm = figures_logarithmic(job, turns->list);
	figures_init(&turns->figures, job, choice);
	turns->compared = figures_gather(job, choice->number, false, 1, turns->list) > 0 &&
			  figures_first_counts(job, choice) && job->spec->objective.count == 1 &&
			  !isnan(turns->figures.gain);
}

static void turns_finish(struct turns *turns)
{
	figures_finish(&turns->figures);
	free(turns->values);
	free(turns->list);
}

/* Takes measurements of a trial, those behind the first or all, into the noise; how many, and their mean. */
static size_t take_in(struct turns *turns, const struct trial *trial, bool first, double *ret_mean)
{
	size_t count = figures_gather(turns->job, trial->number, first, 0, turns->list);

	for (size_t i = 0; i < count; i++) {
		turns->values[i] = figures_scaled(turns->job, &turns->figures, turns->logarithm,
						  turns->list[i]);
	}
	noise_add(&turns->noise, turns->values, count);
	*ret_mean = noise_mean(turns->values, count);
	return count;
}

/* Whether the first measurement is farther from the mean of so many others than noise explains, and than `least`. */
static bool is_far(const struct turns *turns, const struct trial *trial, double mean, size_t count,
		   double least)
{
	double first = figures_scaled(turns->job, &turns->figures, turns->logarithm, trial);
	double width = turns->noise.degrees > 0 ? noise_margin(&turns->noise, 1, (int64_t)count)
						: noise_unknown;

	return fabs(first - mean) > fmax(width, least);
}

/* In the metric's own unit, of what was gathered last. */
static double later_mean(const struct turns *turns, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		turns->values[i] = turns->list[i]->objectives[0];
	}
	return noise_mean(turns->values, count);
}

/* "latency_ms was 50 when it was measured first and 72 in the mean of 2 measurements since" */
static char *first_and_later(const char *what, double first, double later, int64_t count)
{
	return count == 1
		       ? mem_printf("%s was %.4g when it was measured first and %.4g when it was "
				    "measured again",
				    what, first, later)
		       : mem_printf("%s was %.4g when it was measured first and %.4g in the mean "
				    "of %lld measurements since",
				    what, first, later, (long long)count);
}

char *disagree_choice(const struct job *job, const struct trial *choice)
{
	char *text = NULL, *said;
	struct turns turns;
	double mean, unused;
	size_t count;

	turns_init(&turns, job, choice);
	count = take_in(&turns, choice, false, &mean);
	(void)take_in(&turns, job->trials[0], true, &unused);
	if (turns.compared && is_far(&turns, choice, mean, count, same)) {
		said = first_and_later(job->spec->objective.metrics[0].name, choice->objectives[0],
				       turns.figures.values[0], turns.figures.measurements);
		text = mem_printf("%s: the later one%s", said,
				  turns.figures.measurements == 1 ? " counts" : "s count");
		free(said);
	}
	turns_finish(&turns);
	return text;
}

char *disagree_baseline(const struct job *job, const struct trial *choice)
{
	const struct trial *baseline = job->trials[0];
	char *text = NULL, *said, *what;
	struct turns turns;
	double mean, unused;
	size_t count;

	turns_init(&turns, job, choice);
	(void)take_in(&turns, choice, false, &unused);
	count = take_in(&turns, baseline, false, &mean);
	if (turns.compared && figures_first_counts(job, baseline) &&
	    is_far(&turns, baseline, mean, count, harmless)) {
		what = mem_printf("the baseline's %s", job->spec->objective.metrics[0].name);
		said = first_and_later(what, baseline->objectives[0], later_mean(&turns, count),
				       (int64_t)count);
		text = mem_printf("%s: the search went by the first, so it may have passed over "
				  "what is better; %s, and search again",
				  said, words_calmer(job));
		free(said);
		free(what);
	}
	turns_finish(&turns);
	return text;
}
