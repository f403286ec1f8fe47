/*
 * Measuring a trial again that failed, or whose measurement was excluded: it is the same trial with
 * the same question, under new leases.
 */
#include "job/fold.h"

#include <string.h>

/* What was measured here and is known to be wrong. */
static bool is_wrong(const struct trial *trial)
{
	return trial->excluded && trial->kind == QUESTION_EVALUATE && !trial->imported &&
	       (trial->state == TRIAL_TOLD || trial->state == TRIAL_PRUNED);
}

int job_check_retry(const struct job *job, const struct trial *trial, struct err *reterr)
{
	if (trial->excluded && trial->imported) {
		return err_set(reterr, ERR_WRONG_STATE,
			       "trial %lld was measured elsewhere: import the right measurement",
			       (long long)trial->number);
	}
	if (trial->state != TRIAL_FAILED && !is_wrong(trial)) {
		return err_set(
			reterr, ERR_WRONG_STATE,
			"trial %lld has not failed; when the measurement of a config is wrong, "
			"exclude it first",
			(long long)trial->number);
	}
	if (trial->cached) {
		return err_set(reterr, ERR_WRONG_STATE,
			       "trial %lld shares the result of trial %lld: retry that one",
			       (long long)trial->number, (long long)trial->twin);
	}
	if (job_state_is_final(job->state)) {
		return err_set(reterr, ERR_WRONG_STATE, "the job has ended");
	}
	return 0;
}

int job_check_give_up(const struct trial *trial, struct err *reterr)
{
	if (trial->state > TRIAL_LEASED || !trial->asked) {
		return err_set(reterr, ERR_WRONG_STATE, "trial %lld has a result",
			       (long long)trial->number);
	}
	if (trial->cached) {
		return err_set(reterr, ERR_WRONG_STATE,
			       "trial %lld waits for the result of trial %lld: cancel that one",
			       (long long)trial->number, (long long)trial->twin);
	}
	return 0;
}

/* Whether a failure was settled decides what becomes of it; so a replay must settle as far first. */
static void record(struct job *job, enum logged type, int64_t trial)
{
	job_record(job, type, trial, json_pack("{s:I}", "seen", (json_int_t)job->settled));
}

static int settle(struct job *job, const json_t *data, struct err *reterr)
{
	return job_settle_until(job, json_integer_value(json_object_get(data, "seen")), reterr);
}

void job_retry(struct job *job, struct trial *trial)
{
	int64_t count = job->trial_count;

	record(job, LOGGED_TRIAL_RETRIED, trial->number);
	for (int64_t i = trial->number + 1; i < count; i++) {
		const struct trial *other = job->trials[i];

		if (other->cached && other->twin == trial->number &&
		    (other->state == TRIAL_FAILED || is_wrong(other))) {
			record(job, LOGGED_TRIAL_RETRIED, i);
		}
	}
}

/* A result that nobody was shown is taken out of the results. */
static void forget_result(struct job *job, const struct trial *trial)
{
	int64_t i = 0;

	while (i < job->result_count && job->results[i] != trial->number) {
		i++;
	}
	if (i < job->result_count) {
		job->result_count--;
		memmove(&job->results[i], &job->results[i + 1],
			(size_t)(job->result_count - i) * sizeof(*job->results));
	}
}

int job_on_retried(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	int rc = settle(job, data, reterr);

	if (rc != 0) {
		return rc;
	}
	if (trial->state != TRIAL_FAILED && !is_wrong(trial)) {
		return job_corrupt(reterr, "a trial that did not fail is measured again");
	}
	job->failed -= !trial->cached && trial->state == TRIAL_FAILED && !trial->by_hand;
	trial->by_hand = false;
	trial->state = TRIAL_ASKED;
	trial->since_ms = job->now_ms;
	trial->failures = 0;
	job_retry_later(job, trial);
	job->out += !trial->cached;
	if (!trial->settled) {
		forget_result(job, trial);
	}
	if (trial->kind == QUESTION_CONFIRM && trial->twin >= 0) {
		job->trials[trial->twin]->confirmed--;
	}
	return 0;
}

void job_retry_later(struct job *job, struct trial *trial)
{
	job->retries += !trial->retried && !trial->cached;
	trial->retried = true;
}

void job_retry_over(struct job *job, struct trial *trial)
{
	job->retries -= trial->retried && !trial->cached;
	trial->retried = false;
	trial->excluded = false;
}

void job_revise(struct job *job)
{
	int64_t i = 1; /* the baseline is none */

	while (!job->trials[i]->late) {
		i++;
	}
	record(job, LOGGED_TRIAL_REVISED, i);
}

int job_on_revised(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	int rc = settle(job, data, reterr);

	if (rc != 0) {
		return rc;
	}
	if (!trial->late) {
		return job_corrupt(reterr, "a late result that is not there");
	}
	trial->late = false;
	job->late--;
	job->exhausted = false; /* with one more result there may be something to ask */
	job_show(job, trial);
	return 0;
}
