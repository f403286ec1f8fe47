/* Compares the first measurement of a trial with those of the end game. */
#include "job/disagree.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/figures.h"
#include "job/noise.h"
#include "job/words.h"

/* What lies no farther apart is the same, whatever the noise is. */
static const double same = 1e-9;

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

/* Whether the choice's first measurement is farther from the mean of so many others than noise explains. */
static bool is_far(const struct turns *turns, const struct trial *choice, double mean, size_t count)
{
	double first = figures_scaled(turns->job, &turns->figures, turns->logarithm, choice);
	double width = turns->noise.degrees > 0 ? noise_margin(&turns->noise, 1, (int64_t)count)
						: noise_unknown;

	return fabs(first - mean) > fmax(width, same);
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
	if (turns.compared && is_far(&turns, choice, mean, count)) {
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
	const struct trial **list = mem_new((size_t)job->trial_count, sizeof(struct trial *));
	char *text = NULL, *said, *what;
	struct figures f;

	figures_init(&f, job, choice);
	if (f.moved) {
		what = mem_printf("the baseline's %s", job->spec->objective.metrics[0].name);
		said = first_and_later(what, job->trials[0]->objectives[0], f.baseline[0],
				       (int64_t)figures_gather(job, 0, false, 0, list));
		text = mem_printf(
			"%s: the later ones count, but the search went by the first, so it "
			"may have passed over what is better; %s, and search again",
			said, words_calmer(job));
		free(said);
		free(what);
	}
	figures_finish(&f);
	free(list);
	return text;
}
