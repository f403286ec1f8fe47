/* The config that is the baseline itself, and a job whose configs gain nothing on it. */
#include "job/fold.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "job/gained.h"

/* So many configs without a gain are no accident. */
enum { HINT_AFTER = 5, HINT_MAX = 512 };

bool job_is_baseline(const struct job *job, const struct config *config)
{
	return job->spec->rules >= 2 && config_is_baseline(config, job->spec->space);
}

static bool measures_baseline(const struct job *job)
{
	return (job->strategy.ops->traits & STRATEGY_BASELINE) != 0;
}

struct trial *job_stand_in(const struct job *job, struct trial *trial)
{
	if (!job_is_baseline(job, trial->config)) {
		return trial;
	}
	return measures_baseline(job) && trial->candidate.feasible ? job->trials[0] : NULL;
}

struct trial *job_answered_by_baseline(const struct job *job, const struct config *config)
{
	return !measures_baseline(job) && job_is_baseline(job, config) ? job->trials[0] : NULL;
}

bool job_gains(const struct job *job, const struct trial *trial)
{
	const struct trial *baseline = job->trials[0];
	double gain;

	if (job->spec->stop_on != STOP_FIRST_GAIN || baseline->state != TRIAL_TOLD) {
		return false;
	}
	gain = objective_gain(&job->spec->objective, trial->objectives, baseline->objectives);
	return isnan(gain) || objective_gains(gain, job->spec->min_gain);
}

void job_count_gain(struct job *job, const struct trial *trial)
{
	double gain;

	if (trial->kind != QUESTION_EVALUATE || trial->state != TRIAL_TOLD || trial->cached ||
	    trial->imported || trial->partial || job_is_baseline(job, trial->config)) {
		return;
	}
	gain = objective_gain(&job->spec->objective, trial->objectives, job->trials[0]->objectives);
	if (isnan(gain)) {
		return;
	}
	job->gained = job->gained || objective_gains(gain, job->spec->min_gain);
	job->gainless += !job->gained;
}

void job_hint(struct job *job)
{
	struct buf text;

	if (job->spec->rules < 2 || job->gained || job->hinted || job->gainless < HINT_AFTER) {
		return;
	}
	buf_init(&text, HINT_MAX);
	buf_printf(&text, "none of the first %lld configs that were measured is better by ",
		   (long long)job->gainless);
	gained_asked(job->spec, &text);
	buf_text(&text, " or more: see whether the evaluator runs what a config says, whether its "
			"machine is faster in these modes, and how steady its measurements are");
	job_record(job, LOGGED_NO_GAIN_SO_FAR, -1,
		   json_pack("{s:I, s:s}", "measured", (json_int_t)job->gainless, "detail",
			     text.bytes));
	buf_finish(&text);
}

int job_on_no_gain(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	(void)trial;
	(void)data;
	(void)reterr;
	job->hinted = true;
	return 0;
}
