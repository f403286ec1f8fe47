/*
 * Measurements that somebody knows to be wrong: they are taken out of the choice of the best and of
 * what answers later questions, and can be taken in again. The strategy keeps what it has learnt.
 *
 * The best of a job that has ended is chosen among the results that had been settled by then, as it
 * was; only when none of these meets the criterion, among those that came too late to be shown to
 * the strategy as well.
 */
#include "job/fold.h"

static bool has_measurement(const struct trial *trial)
{
	return trial->state == TRIAL_TOLD || trial->state == TRIAL_PRUNED;
}

bool job_measured_nothing(const struct job *job)
{
	bool failed = false;

	for (int64_t i = 1; i < job->trial_count; i++) {
		const struct trial *trial = job->trials[i];

		/* Not those that the baseline answers. */
		if (trial->kind == QUESTION_EVALUATE && has_measurement(trial) &&
		    trial->twin != 0) {
			return false;
		}
		failed = failed ||
			 (trial->kind == QUESTION_EVALUATE && trial->state == TRIAL_FAILED);
	}
	return failed;
}

static int refuse_kind(const struct trial *trial, struct err *reterr)
{
	long long number = trial->number;

	switch (trial->kind) {
	case QUESTION_BASELINE:
		return err_set(
			reterr, ERR_WRONG_STATE,
			"trial 0 is the baseline, which everything is compared with: it cannot "
			"be excluded, only retried when it failed; a clone of the job measures "
			"it anew");
	case QUESTION_EVALUATE:
	case QUESTION_SCORE:
		return 0;
	case QUESTION_CONFIRM:
		return err_set(reterr, ERR_WRONG_STATE,
			       "trial %lld measured trial %lld again: exclude that one", number,
			       (long long)trial->twin);
	default:
		return err_set(reterr, ERR_WRONG_STATE, "trial %lld measured nothing", number);
	}
}

static int check(const struct trial *trial, const char *what, struct err *reterr)
{
	if (refuse_kind(trial, reterr) != 0) {
		return -(int)reterr->code;
	}
	if (trial->cached) {
		return err_set(reterr, ERR_WRONG_STATE,
			       "trial %lld shares the measurement of trial %lld: %s that one",
			       (long long)trial->number, (long long)trial->twin, what);
	}
	return 0;
}

int job_check_exclude(const struct job *job, const struct trial *trial, struct err *reterr)
{
	int rc = check(trial, "exclude", reterr);

	(void)job;
	if (rc == 0 && !trial->excluded && !has_measurement(trial)) {
		return err_set(reterr, ERR_WRONG_STATE,
			       "trial %lld has no measurement that could be excluded",
			       (long long)trial->number);
	}
	return rc;
}

int job_check_include(const struct job *job, const struct trial *trial, struct err *reterr)
{
	int rc = trial->excluded ? check(trial, "include", reterr) : 0;

	(void)job;
	if (rc == 0 && trial->excluded && !has_measurement(trial)) {
		return err_set(reterr, ERR_WRONG_STATE,
			       "trial %lld is being measured again: the new result will count",
			       (long long)trial->number);
	}
	return rc;
}

static void record(struct job *job, const struct trial *trial, const char *reason)
{
	json_t *data = json_pack("{s:I}", "seen", (json_int_t)job->settled);

	if (reason != NULL) {
		(void)json_object_set_new(data, "reason", json_string(reason));
	}
	job_record(job, reason != NULL ? LOGGED_TRIAL_EXCLUDED : LOGGED_TRIAL_INCLUDED,
		   trial->number, data);
}

/* `reason` is NULL to take it in again. */
static void change(struct job *job, const struct trial *trial, const char *reason)
{
	bool excluded = reason != NULL;
	int64_t count = job->trial_count;

	if (trial->excluded == excluded) {
		return;
	}
	record(job, trial, reason);
	for (int64_t i = trial->number + 1; i < count; i++) {
		const struct trial *other = job->trials[i];

		if (other->cached && other->twin == trial->number && has_measurement(other) &&
		    other->excluded != excluded) {
			record(job, other, reason);
		}
	}
	job_log_best(job);
}

void job_exclude(struct job *job, struct trial *trial, const char *reason)
{
	change(job, trial, reason);
}

void job_include(struct job *job, struct trial *trial)
{
	change(job, trial, NULL);
}

static bool is_met(const struct job *job)
{
	return job->best != NULL && job->best->candidate.feasible;
}

static void choose_again(struct job *job)
{
	const struct trial *before = job->best;
	bool over = job_state_is_final(job->state);

	if (!job->strategy_ready) {
		return; /* nothing was judged: imports wait for the baseline, and this job may never have one */
	}
	job->beyond = over && !job->end_seen;
	job_choose_best(job);
	if (over && !is_met(job) && !job->beyond) {
		job->beyond = true;
		job_choose_best(job);
	}
	if (over) {
		(void)strategy_catch_up(&job->strategy, NULL);
		job->best = job_final_choice(job);
	}
	if (job->best != NULL && job->best != before) {
		job->best->best_logged = false;
	}
}

static int settle(struct job *job, const json_t *data, struct err *reterr)
{
	return job_settle_until(job, json_integer_value(json_object_get(data, "seen")), reterr);
}

int job_on_excluded(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	int rc = settle(job, data, reterr);

	if (rc != 0) {
		return rc;
	}
	if (trial->excluded || !has_measurement(trial)) {
		return job_corrupt(reterr, "a measurement is excluded that is not there");
	}
	trial->excluded = true;
	trial->best_logged = false;
	/* The baseline may be best because this trial had its config. */
	if (job->best == trial || (job->best != NULL && job->best->number == 0)) {
		choose_again(job);
	}
	return 0;
}

int job_on_included(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	int rc = settle(job, data, reterr);

	if (rc != 0) {
		return rc;
	}
	if (!trial->excluded || !has_measurement(trial)) {
		return job_corrupt(reterr, "a measurement is included that was not excluded");
	}
	trial->excluded = false;
	choose_again(job);
	return 0;
}

/* Older logs do not say what had been settled: what was best then is what they named last. */
int job_on_end(struct job *job, const json_t *data, struct err *reterr)
{
	job->end_seen = json_object_get(data, "seen") != NULL;
	if (!job->end_seen) {
		job->best = job->named;
		return 0;
	}
	return settle(job, data, reterr);
}
