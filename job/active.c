/* Records the states of a job, with the time that it has been active. */
#include "job/active.h"

#include <string.h>

#include "job/fold.h"
#include "job/words.h"

static bool clock_runs(const struct job *job)
{
	return job->state == JOB_BASELINE || job->state == JOB_RUNNING;
}

double job_active_s(const struct job *job)
{
	return job->active_since < 0
		       ? job->active_s
		       : job->active_s + (double)(mono_of(job->clock) - job->active_since) / 1000;
}

json_t *job_active(struct job *job)
{
	double active = job_active_s(job);

	if (job->active_since >= 0) {
		job->active_since = mono_of(job->clock);
		job->active_wall_ms = wall_of(job->clock);
	}
	return json_pack("{s:f}", "active_s", active);
}

void job_clock(struct job *job)
{
	if (!clock_runs(job)) {
		job->active_since = -1;
	} else if (job->active_since < 0) {
		job->active_since = mono_of(job->clock);
		job->active_wall_ms = wall_of(job->clock);
	}
}

int64_t job_left_ms(const struct job *job)
{
	double left = job->timeout_s - job_active_s(job);

	if (!clock_runs(job) || job->timeout_s <= 0) {
		return -1;
	}
	return left > 0 ? (int64_t)(left * 1000) : 0;
}

static json_t *state_data(struct job *job, enum job_state state)
{
	json_t *data = job_active(job);

	(void)json_object_set_new(data, "state", json_string(job_state_names[state]));
	return data;
}

/* Takes over `data`. */
static void change(struct job *job, json_t *data)
{
	job_record(job, LOGGED_STATE_CHANGED, -1, data);
	job_clock(job);
}

void job_move(struct job *job, enum job_state state)
{
	change(job, state_data(job, state));
}

void job_pause(struct job *job, const char *reason, const char *detail, const char *by)
{
	json_t *data = state_data(job, JOB_PAUSED);

	(void)json_object_set_new(
		data, "pause",
		json_pack("{s:s, s:s, s:s?}", "reason", reason, "detail", detail, "by", by));
	change(job, data);
}

void job_resume(struct job *job)
{
	enum job_state before = job_has_baseline(job) ? JOB_BASELINE : JOB_QUEUED;

	job_move(job, job->strategy_ready ? JOB_RUNNING : before);
}

/* A result may wait for an earlier one that will not come. The strategy does not see it any more; where nothing else is
 * good enough it is the best all the same. */
static void take_waiting(struct job *job)
{
	const struct trial *before = job->best;
	json_t *data;

	if (job->spec->rules < 2 || !job->strategy_ready ||
	    (before != NULL && before->candidate.feasible)) {
		return;
	}
	job->beyond = true;
	job_choose_best(job);
	job->beyond = false;
	if (job->best != NULL && job->best != before) {
		data = job_best_data(job, job->best);
		(void)json_object_set_new(data, "seen", json_integer(job->settled));
		job_record(job, LOGGED_NEW_BEST, job->best->number, data);
	}
}

/* Says of a best that the acceptance data was to judge, and that nobody was asked about there, that it is not to be shipped. */
static void tell_unjudged(struct job *job)
{
	json_t *data;
	const char *because;

	if (job->spec->rules < 2 || job->spec->acceptance == NULL || job->best == NULL) {
		return;
	}
	data = words_best_data(job, job->best, true);
	because = json_string_value(json_object_get(data, "keep_baseline_because"));
	if (because != NULL && strcmp(because, "not_accepted") == 0) {
		(void)json_object_set_new(data, "seen", json_integer(job->settled));
		job_record(job, LOGGED_NEW_BEST, job->best->number, data);
	} else {
		json_decref(data);
	}
}

static void finish(struct job *job, enum job_state state, const char *reason, const char *detail,
		   bool judged)
{
	const struct trial *best = job->best;
	json_t *data;

	for (int64_t i = 0; i < job->trial_count; i++) {
		if (job->trials[i]->state < TRIAL_TOLD && job->trials[i]->asked) {
			job_record(job, LOGGED_TRIAL_CANCELLED, i, NULL);
		}
	}
	take_waiting(job);
	if (!judged || job->best != best) {
		tell_unjudged(job);
	}
	data = state_data(job, state);
	(void)json_object_set_new(data, "seen", json_integer(job->settled));
	(void)json_object_set_new(data, "exit",
				  json_pack("{s:s, s:s}", "reason", reason, "detail", detail));
	change(job, data);
}

void job_end(struct job *job, enum job_state state, const char *reason, const char *detail)
{
	finish(job, state, reason, detail, false);
}

void job_end_judged(struct job *job, enum job_state state, const char *reason, const char *detail)
{
	finish(job, state, reason, detail, true);
}
