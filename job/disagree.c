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

/* Whether the choice was measured in an end game, and its first measurement is of the same data. */
static bool is_compared(const struct job *job, const struct trial *choice, const struct figures *f,
			const struct trial **scratch)
{
	return figures_gather(job, choice->number, false, 1, scratch) > 0 &&
	       figures_first_counts(job, choice) && job->spec->objective.count == 1 &&
	       !isnan(f->gain);
}

/* Whether the choice's first measurement is farther from the mean of those since than noise explains. */
static bool is_far(const struct job *job, const struct trial *choice, const struct figures *f,
		   const struct trial **scratch)
{
	bool logarithm = figures_logarithmic(job, scratch);
	size_t count = figures_gather(job, choice->number, false, 0, scratch), baselines;
	struct noise noise = {0};
	double later = figures_pool(job, f, logarithm, scratch, count, &noise);
	double width;

	baselines = figures_gather(job, 0, !f->moved, 0, scratch);
	(void)figures_pool(job, f, logarithm, scratch, baselines, &noise);
	width = noise.degrees > 0 ? noise_margin(&noise, 1, (int64_t)count) : noise_unknown;
	return fabs(figures_scaled(job, f, logarithm, choice) - later) > fmax(width, same);
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
	const struct trial **list = mem_new((size_t)job->trial_count, sizeof(struct trial *));
	char *text = NULL, *said;
	struct figures f;

	figures_init(&f, job, choice);
	if (is_compared(job, choice, &f, list) && is_far(job, choice, &f, list)) {
		said = first_and_later(job->spec->objective.metrics[0].name, choice->objectives[0],
				       f.values[0], f.measurements);
		text = mem_printf("%s: the later one%s", said,
				  f.measurements == 1 ? " counts" : "s count");
		free(said);
	}
	figures_finish(&f);
	free(list);
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
