/* Says of a config that measured better than the one that is handed over why it is not. */
#include "job/passed.h"

#include <math.h>

#include "job/endgame.h"
#include "job/fold.h"
#include "job/gained.h"
#include "job/words.h"

/* What differs by less reads the same. */
static const double worth_a_word = 0.001;

static bool is_better(const struct job *job, const double *values, const double *than)
{
	return objective_gain(&job->spec->objective, values, than) > worth_a_word;
}

/* By its first measurement, as a reader of the trials sees it. What the choice itself measured worse later, but better in the
 * search, was passed over by nobody. */
static bool is_passed_over(const struct job *job, const struct trial *trial,
			   const struct trial *choice, const struct figures *f)
{
	return trial != choice && trial->twin < 0 && !trial->excluded &&
	       (trial->rejected || job_can_be_best(trial)) && trial->candidate.feasible &&
	       !job_is_baseline(job, trial->config) &&
	       is_better(job, trial->objectives, f->values) &&
	       (trial->rejected || is_better(job, trial->objectives, choice->objectives));
}

static const struct trial *find(const struct job *job, const struct trial *choice,
				const struct figures *f)
{
	const struct trial *best = NULL;

	for (int64_t i = 1; i < job->trial_count; i++) {
		const struct trial *t = job->trials[i];

		if (is_passed_over(job, t, choice, f) &&
		    (best == NULL || candidate_better(&t->candidate, &best->candidate))) {
			best = t;
		}
	}
	return best;
}

/* "measured 2.5 times as fast" */
static void add_measured(const struct job *job, const struct trial *trial, const struct figures *f,
			 struct buf *text)
{
	struct figures once = {
		.gain = objective_gain(&job->spec->objective, trial->objectives, f->baseline),
		.middle_gain = NAN,
		.interval = {NAN, NAN},
		.measurements = 1,
	};

	buf_text(text, "measured ");
	if (isnan(once.gain)) {
		buf_text(text, "better");
	} else {
		gained_words(job->spec, &once, text);
	}
}

static void add_rejection(const struct job *job, const struct trial *trial, struct buf *text)
{
	struct figures f;

	figures_init(&f, job, trial);
	words_loss(job, &f, text);
	buf_text(text, f.accepted ? " on the acceptance data" : " when it was measured again");
	figures_finish(&f);
}

static void add_reason(const struct job *job, const struct trial *trial, const struct trial *choice,
		       struct buf *text)
{
	double excess = endgame_excess(job);

	if (trial->rejected) {
		add_rejection(job, trial, text);
	} else if (excess > trial->candidate.margin) {
		buf_text(text,
			 "would miss the criterion if it lost as much more as another did when "
			 "that was measured again");
	} else if (choice->candidate.gains) {
		buf_text(text,
			 "came later than the first one that gains enough, at which the job ends");
	} else if (choice->candidate.insists) {
		buf_text(text,
			 "the strategy goes on with what meets the criterion at a later stage");
	} else if (strategy_choice(&job->strategy) == choice->number) {
		buf_text(text, "is less sure to meet the criterion on other data");
	} else if (figures_count(job, trial->number, 0, 0) > 0 &&
		   figures_count(job, choice->number, 0, 0) > 0) {
		buf_text(text, "was behind by the mean when both were measured again");
	} else {
		buf_text(text, "only once");
	}
}

void passed_words(const struct job *job, const struct trial *choice, const struct figures *f,
		  struct buf *text)
{
	const struct trial *trial = job->spec->objective.count == 1 ? find(job, choice, f) : NULL;

	if (trial == NULL) {
		return;
	}
	buf_printf(text, "; trial %lld ", (long long)trial->number);
	add_measured(job, trial, f, text);
	buf_text(text, ", but ");
	add_reason(job, trial, choice, text);
}
