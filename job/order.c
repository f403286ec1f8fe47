/* In which order results are settled, and when that lets a job ask one question more. */
#include "job/fold.h"
#include "job/scores_told.h"

struct trial *job_next_result(const struct job *job)
{
	int64_t next = job->settled + 1; /* trial 0, the baseline, is settled by itself */

	if (!job->spec->deterministic) {
		return job->settled < job->result_count ? job->trials[job->results[job->settled]]
							: NULL;
	}
	if (next >= job->trial_count || job->trials[next]->state < TRIAL_TOLD) {
		return NULL;
	}
	return job->trials[next];
}

/*
 * A strategy that wants its results in order sees exactly those of trials 0 .. n - parallel when it
 * asks for trial n, whoever answered first: newer ones are held back until it has nothing to ask
 * without them, and it is not asked before the last of these is there. Of every kind, and shared or
 * imported, a trial is one in this count.
 */
static bool wants_order(const struct job *job)
{
	return job->strategy.ops->in_order && job->spec->deterministic;
}

static int64_t last_to_see(const struct job *job)
{
	return job->trial_count - job->parallel;
}

static bool held_back(const struct job *job, const struct trial *trial)
{
	return wants_order(job) && !job->exhausted && !job->starved &&
	       job->charged < job->max_trials && trial->number > last_to_see(job);
}

/* In the order of trials too, or whether the job ends would depend on who fails first. What confirms
 * the winner comes one after the other anyway. */
int64_t job_failures(const struct job *job)
{
	int64_t count = job->failed;

	for (int64_t i = job->settled + 1; wants_order(job) && i < job->trial_count; i++) {
		const struct trial *trial = job->trials[i];

		count -= trial->state == TRIAL_FAILED && !trial->cached &&
			 trial->kind != QUESTION_CONFIRM;
	}
	return count;
}

void job_log_best(struct job *job)
{
	if (job->best != NULL && !job->best->best_logged) {
		job_record(job, LOGGED_NEW_BEST, job->best->number, job_best_data(job, job->best));
	}
}

/* False when nothing can be settled now. */
static bool settle_next(struct job *job)
{
	struct trial *trial = job_next_result(job);

	if (job->scores_due != NULL) {
		scores_told_take(job);
		return true;
	}
	if (job->late > 0) {
		job_revise(job);
		return true;
	}
	if (trial == NULL || held_back(job, trial)) {
		return false;
	}
	job_settle_one(job, trial);
	return true;
}

int64_t job_settle(struct job *job)
{
	int64_t count = 0;

	job_log_best(job);
	while (job->strategy_ready && job_exit_reason(job) == NULL && settle_next(job)) {
		job->starved = false;
		count++;
		job_log_best(job);
		job_hint(job);
	}
	return count;
}

/* Whether the strategy might be asked, were it not for the order. */
static bool has_room(const struct job *job)
{
	return job->state == JOB_RUNNING && job->strategy_ready && !job->exhausted &&
	       !job->starved && (job->charged < job->max_trials || strategy_owes(&job->strategy)) &&
	       job->out < job->parallel && job_exit_reason(job) == NULL;
}

static bool is_too_early(const struct job *job)
{
	return wants_order(job) && job->settled < last_to_see(job);
}

bool job_may_ask(const struct job *job)
{
	return has_room(job) && !is_too_early(job);
}

int64_t job_waits_for(const struct job *job)
{
	return has_room(job) && is_too_early(job) ? job->settled + 1 : 0;
}
