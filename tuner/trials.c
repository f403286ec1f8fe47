/* What people do to trials: they are measured again, given up, taken out of what counts or in again. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tuner/attempt.h"
#include "tuner/final.h"
#include "tuner/reply.h"
#include "tuner/run.h"

/*
 * What people do to trials of a job: one or several of them are measured again, given up, taken out of
 * what counts or in again. Of several either all are changed or none.
 */

/* The job's trial of this number; NULL with err. */
static struct trial *find_trial(const struct job *job, int64_t number, struct err *reterr)
{
	if (number < 0 || number >= job->trial_count) {
		(void)err_set(reterr, ERR_NOT_FOUND, "the job has no trial %lld",
			      (long long)number);
		return NULL;
	}
	return job->trials[number];
}

typedef int check_fn(const struct job *job, const struct trial *trial, struct err *reterr);
typedef void change_fn(struct job *job, struct trial *trial, void *arg);

/* What was changed by a change before it, because it shares that trial's result, is left as it is. */
static int change_all(struct job *job, const struct tuner_trials *trials, check_fn *check,
		      change_fn *change, void *arg, struct err *reterr)
{
	struct err ignored;

	for (size_t i = 0; i < trials->count; i++) {
		const struct trial *trial = find_trial(job, trials->numbers[i], reterr);

		if (trial == NULL || check(job, trial, reterr) != 0) {
			return -(int)reterr->code;
		}
	}
	for (size_t i = 0; i < trials->count; i++) {
		struct trial *trial = job->trials[trials->numbers[i]];

		err_init(&ignored);
		if (check(job, trial, &ignored) == 0) {
			change(job, trial, arg);
		}
	}
	return 0;
}

static void retry(struct job *job, struct trial *trial, void *arg)
{
	(void)arg;
	job_retry(job, trial);
}

static void retry_failures(struct job *job)
{
	struct err ignored;

	for (int64_t i = 0; i < job->trial_count; i++) {
		struct trial *trial = job->trials[i];

		err_init(&ignored);
		if (trial->state == TRIAL_FAILED && job_check_retry(job, trial, &ignored) == 0) {
			job_retry(job, trial);
		}
	}
}

void tuner_retry(struct tuner *tuner, const char *job, const struct tuner_trials *trials,
		 const struct store_key *key, tuner_done_fn done, void *arg)
{
	struct err err;
	struct run *run = run_open(tuner, job, &err);

	if (run != NULL && trials == NULL) {
		retry_failures(run->job);
	} else if (run != NULL) {
		(void)change_all(run->job, trials, job_check_retry, retry, NULL, &err);
	}
	if (err.code != ERR_OK) {
		reply_later(tuner, &err, done, arg);
		return;
	}
	run_flush(run, key, done, arg);
	run_wake(run);
}

void tuner_give_up(struct tuner *tuner, const char *job, int64_t number,
		   const struct store_key *key, tuner_done_fn done, void *arg)
{
	struct err err;
	struct run *run = run_open(tuner, job, &err);
	struct trial *trial = run != NULL ? find_trial(run->job, number, &err) : NULL;

	if (trial == NULL || job_check_give_up(trial, &err) != 0) {
		reply_later(tuner, &err, done, arg);
		return;
	}
	attempt_give_up(run, trial);
	run_flush(run, key, done, arg);
	run_wake(run);
}

struct exclusion {
	int64_t *numbers; /* owned */
	size_t count;
	char *reason; /* owned; NULL: the trials are included again */
};

static void forget_exclusion(void *arg)
{
	struct exclusion *exclusion = arg;

	free(exclusion->numbers);
	free(exclusion->reason);
	free(exclusion);
}

static void exclude_one(struct job *job, struct trial *trial, void *reason)
{
	job_exclude(job, trial, reason);
}

static void include_one(struct job *job, struct trial *trial, void *unused)
{
	(void)unused;
	job_include(job, trial);
}

/* A trial that was never asked has no question. */
static int check_exclude(const struct job *job, const struct trial *trial, struct err *reterr)
{
	return !trial->asked ? err_set(reterr, ERR_NOT_FOUND, "the job has no trial %lld",
				       (long long)trial->number)
			     : job_check_exclude(job, trial, reterr);
}

static int check_include(const struct job *job, const struct trial *trial, struct err *reterr)
{
	return !trial->asked ? err_set(reterr, ERR_NOT_FOUND, "the job has no trial %lld",
				       (long long)trial->number)
			     : job_check_include(job, trial, reterr);
}

static int exclude(struct job *job, void *arg, struct err *reterr)
{
	const struct exclusion *it = arg;
	const struct tuner_trials trials = {it->numbers, it->count};

	return it->reason != NULL
		       ? change_all(job, &trials, check_exclude, exclude_one, it->reason, reterr)
		       : change_all(job, &trials, check_include, include_one, NULL, reterr);
}

void tuner_exclude(struct tuner *tuner, const char *job, const struct tuner_trials *trials,
		   const char *reason, const struct store_key *key, tuner_done_fn done, void *arg)
{
	struct run *run = run_find(tuner, job);
	struct exclusion *exclusion = mem_new(1, sizeof(*exclusion));
	struct err err;

	err_init(&err);
	exclusion->numbers = mem_new(trials->count, sizeof(*exclusion->numbers));
	exclusion->count = trials->count;
	memcpy(exclusion->numbers, trials->numbers, trials->count * sizeof(*trials->numbers));
	exclusion->reason = reason != NULL ? mem_dup(reason) : NULL;
	if (run == NULL) {
		final_change(tuner, job, true, exclude, exclusion, forget_exclusion, key, done,
			     arg);
		return;
	}
	if (job_state_is_final(run->job->state)) {
		(void)err_set(&err, ERR_OVERLOADED, "the job is ending: try again in a second");
	} else {
		(void)exclude(run->job, exclusion, &err);
	}
	if (err.code != ERR_OK) {
		reply_later(tuner, &err, done, arg);
	} else {
		run_flush(run, key, done, arg);
		run_wake(run);
	}
	forget_exclusion(exclusion);
}
