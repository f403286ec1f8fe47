/* What each event may follow and what it changes, as docs/events.md says. */
#include "tests/sim/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool is_waiting(const struct model_trial *trial)
{
	return trial->stage == OPEN || trial->stage == LEASED;
}

/* The events, each as docs/events.md has it. */

struct at {
	struct judge *judge;
	struct model_job *job;
	struct model_trial *trial;
	int64_t number; /* of the trial */
	int64_t n;
	const json_t *data;
};

static void unfit(const struct at *at, const char *why)
{
	char *text = json_dumps(at->data, JSON_COMPACT);

	broken(at->judge->world, "%s: event %lld, trial %lld: %s: %s", at->job->id,
	       (long long)at->n, (long long)at->number, why, text);
}

static void want(const struct at *at, bool holds, const char *why)
{
	if (!holds) {
		unfit(at, why);
	}
}

static void on_submitted(const struct at *at)
{
	want(at, at->n == 1, "a job is submitted once, and first");
}

static void on_state(const struct at *at)
{
	static const char *const names[] = {"queued",    "baseline", "running",  "paused",
					    "completed", "failed",   "cancelled"};
	const char *name = text_in(at->data, "state");
	size_t state = 0;

	while (state < 7 && strcmp(names[state], name) != 0) {
		state++;
	}
	want(at, state < 7, "an unknown state");
	at->job->state = (enum job_state)state;
	for (int64_t i = 0; job_state_is_final(at->job->state) && i < at->job->trial_count; i++) {
		want(at, !is_waiting(&at->job->trials[i]) || at->job->trials[i].kind[0] == '\0',
		     "a trial waits on when its job has ended");
	}
}

static void on_edited(const struct at *at)
{
	struct model_job *job = at->job;

	job->max_trials = number_in(at->data, "max_trials", job->max_trials);
	job->parallel = number_in(at->data, "parallel", job->parallel);
}

static struct model_trial *add(struct model_job *job, int64_t number)
{
	while (job->trial_count <= number) {
		job->trials =
			mem_grow(job->trials, (size_t)job->trial_count + 1, sizeof(*job->trials));
		job->trials[job->trial_count++] = (struct model_trial){.expected = -1};
	}
	return &job->trials[number];
}

static void on_asked(const struct at *at)
{
	struct model_job *job = at->job;
	struct model_trial *trial = at->trial;
	bool measures;

	want(at, trial->kind[0] == '\0', "a number is used twice");
	want(at, job->state == JOB_BASELINE || job->state == JOB_RUNNING,
	     "a question of a job that does not run");
	(void)snprintf(trial->kind, sizeof(trial->kind), "%s", text_in(at->data, "kind"));
	trial->known = strcmp(text_in(at->data, "source"), "cache") == 0;
	trial->twin = number_in(at->data, "twin", -1);
	measures = strcmp(trial->kind, "evaluate") == 0 && !trial->known;
	want(at, !measures || job->charged < job->max_trials, "the budget is used up");
	want(at, trial->known || strcmp(trial->kind, "confirm") == 0 || job->out < job->parallel,
	     "more are out than may be");
	job->charged += measures;
	job->out += !trial->known;
}

static void on_leased(const struct at *at)
{
	struct judge *judge = at->judge;
	struct model_trial *trial = at->trial;
	const char *lease = text_in(at->data, "lease");
	bool read_again = trial->leased_in != at->job->readings;
	size_t number = 0;

	want(at, is_waiting(trial) && !trial->known, "a lease of what has its result");
	want(at, trial->stage == OPEN || read_again, "a second lease while the first holds");
	want(at, !trial->spent, "another attempt when none is left");
	want(at, number_in(at->data, "attempt", -1) == trial->attempts + 1,
	     "the number of the attempt");
	want(at, map_get(&judge->leases, lease, -1) < 0, "a lease is given twice");
	trial->attempts++;
	trial->stage = LEASED;
	trial->leased_in = at->job->readings;
	trial->expected = -1;
	(void)snprintf(trial->lease, sizeof(trial->lease), "%s", lease);
	trial->promised_ms = at->job->recorded_ms[at->n] + number_in(at->data, "ttl_ms", 0);
	while (judge->jobs[number] != at->job) {
		number++;
	}
	map_set(&judge->leases, lease, (intptr_t)((number << 20) + (size_t)at->number));
}

static void on_accepted(const struct at *at)
{
	want(at, at->trial->stage == LEASED, "202 to a question that nobody has");
}

static void on_returned(const struct at *at)
{
	want(at, at->trial->stage == LEASED, "what nobody has is given back");
	at->trial->stage = OPEN;
	at->trial->attempts--;
}

static void attempt_over(const struct at *at)
{
	struct model_trial *trial = at->trial;
	bool charged = !json_is_false(json_object_get(at->data, "counts"));
	bool retryable = json_is_true(json_object_get(at->data, "retryable"));

	want(at, trial->stage == LEASED, "an attempt ends that nobody makes");
	want(at, strcmp(trial->lease, text_in(at->data, "lease")) == 0, "the lease of the attempt");
	want(at,
	     trial->expected < 0 || charged == (trial->expected == 1) ||
		     strcmp(trial->kind, "evaluate") != 0,
	     charged ? "an attempt is charged that is nobody's fault"
		     : "an attempt is not charged that is the trial's fault");
	trial->stage = OPEN;
	trial->charged += charged;
	trial->spent = charged && (!retryable || trial->charged >= at->job->max_attempts);
}

static void on_expired(const struct at *at)
{
	want(at, at->job->recorded_ms[at->n] >= at->trial->promised_ms,
	     "a lease ends before the time that its worker was told");
	attempt_over(at);
}

static void has_result(const struct at *at, enum stage stage)
{
	at->job->out -= !at->trial->known;
	at->trial->stage = stage;
	at->trial->spent = false;
}

static void on_told(const struct at *at)
{
	struct model_trial *trial = at->trial;

	want(at, is_waiting(trial), "a second result of one trial");
	want(at, trial->known || trial->stage == LEASED, "a result that nobody was asked for");
	want(at, !trial->known || at->job->trials[trial->twin].stage == TOLD,
	     "a copy of a result that is not there");
	at->job->told += strcmp(trial->kind, "evaluate") == 0;
	has_result(at, TOLD);
}

static void on_failed(const struct at *at)
{
	struct model_trial *trial = at->trial;
	bool by_hand = json_is_true(json_object_get(at->data, "by_hand"));

	want(at, is_waiting(trial), "a failure of what has its result");
	want(at,
	     by_hand || trial->known || trial->spent ||
		     strstr(text_in(at->data, "error"), "put off"),
	     "a trial fails although another attempt is left");
	at->job->failed += strcmp(trial->kind, "evaluate") == 0 && !trial->known;
	has_result(at, FAILED);
}

static void on_cancelled(const struct at *at)
{
	want(at, is_waiting(at->trial), "what has its result is cancelled");
	has_result(at, CANCELLED);
}

static void on_pruned(const struct at *at)
{
	want(at, is_waiting(at->trial), "an early verdict on what has its result");
	at->job->told++;
	has_result(at, PRUNED);
}

static void on_retried(const struct at *at)
{
	struct model_trial *trial = at->trial;

	want(at, trial->stage == FAILED || trial->excluded, "what did not fail is tried again");
	at->job->failed -=
		trial->stage == FAILED && strcmp(trial->kind, "evaluate") == 0 && !trial->known;
	at->job->told -= (trial->stage == TOLD || trial->stage == PRUNED) &&
			 strcmp(trial->kind, "evaluate") == 0;
	trial->stage = OPEN;
	trial->charged = 0;
	trial->excluded = false;
	at->job->out += !trial->known;
}

static void on_excluded(const struct at *at)
{
	want(at, at->trial->stage == TOLD || at->trial->stage == PRUNED, "nothing to exclude");
	at->trial->excluded = true;
}

static void on_included(const struct at *at)
{
	at->trial->excluded = false;
}

static void on_imported(const struct at *at)
{
	want(at, at->trial->kind[0] == '\0', "a number is used twice");
	(void)snprintf(at->trial->kind, sizeof(at->trial->kind), "%s", text_in(at->data, "kind"));
	at->trial->known = at->trial->imported = true;
	at->trial->stage = TOLD;
}

static void on_baseline(const struct at *at)
{
	want(at, at->number == 0 && at->trial->stage == TOLD, "a baseline that was not measured");
}

static void on_best(const struct at *at)
{
	want(at, at->trial->stage == TOLD, "the best was not measured");
}

static void on_anything(const struct at *at)
{
	(void)at;
}

static void (*const rules[])(const struct at *at) = {
	[LOGGED_JOB_SUBMITTED] = on_submitted,
	[LOGGED_STATE_CHANGED] = on_state,
	[LOGGED_JOB_EDITED] = on_edited,
	[LOGGED_STAGE_ENTERED] = on_anything,
	[LOGGED_QUESTION_ASKED] = on_asked,
	[LOGGED_QUESTION_LEASED] = on_leased,
	[LOGGED_LEASE_ACCEPTED] = on_accepted,
	[LOGGED_LEASE_EXPIRED] = on_expired,
	[LOGGED_LEASE_RETURNED] = on_returned,
	[LOGGED_ATTEMPT_FAILED] = attempt_over,
	[LOGGED_LATE_ANSWER] = on_anything,
	[LOGGED_TRIAL_TOLD] = on_told,
	[LOGGED_TRIAL_IMPORTED] = on_imported,
	[LOGGED_TRIAL_JUDGED] = on_anything,
	[LOGGED_TRIAL_FAILED] = on_failed,
	[LOGGED_TRIAL_PRUNED] = on_pruned,
	[LOGGED_TRIAL_CANCELLED] = on_cancelled,
	[LOGGED_TRIAL_RETRIED] = on_retried,
	[LOGGED_TRIAL_REVISED] = on_anything,
	[LOGGED_TRIAL_EXCLUDED] = on_excluded,
	[LOGGED_TRIAL_INCLUDED] = on_included,
	[LOGGED_BASELINE_MEASURED] = on_baseline,
	[LOGGED_NEW_BEST] = on_best,
	[LOGGED_TRIALS_RANKED] = on_anything,
	[LOGGED_NO_GAIN_SO_FAR] = on_anything,
	[LOGGED_MEASUREMENT_DISAGREES] = on_anything,
	[LOGGED_WARNING] = on_anything,
	[LOGGED_TIMEOUT] = on_anything,
	[LOGGED_SCORES_TOLD] = on_anything,
	[LOGGED_SCORES_TAKEN] = on_anything,
};

_Static_assert(sizeof(rules) / sizeof(rules[0]) == LOGGED_TYPES_, "every event has its rule");

static bool after_the_end(enum logged type)
{
	return type == LOGGED_JOB_EDITED || type == LOGGED_TRIAL_EXCLUDED ||
	       type == LOGGED_TRIAL_INCLUDED || type == LOGGED_NEW_BEST ||
	       type == LOGGED_TRIALS_RANKED || type == LOGGED_WARNING;
}

void model_take(struct judge *judge, struct model_job *job, const struct log_event *event)
{
	json_t *data = json_loads(event->data, 0, NULL);
	struct at at = {judge, job, NULL, event->trial, job->version + 1, data};

	tell(judge->world, "%s  %lld %s %lld %s", job->id + ID_SIZE - 7, (long long)at.n,
	     logged_name(event->type), (long long)event->trial, event->data);
	want(&at, !job_state_is_final(job->state) || after_the_end(event->type),
	     "an event after the end");
	if (event->type == LOGGED_QUESTION_ASKED || event->type == LOGGED_TRIAL_IMPORTED) {
		want(&at,
		     job->trial_count == 0
			     ? event->trial <= 1
			     : event->trial == job->trial_count ||
				       (event->trial == 0 && job->trials[0].kind[0] == '\0'),
		     "numbers of trials have no gaps");
		at.trial = add(job, event->trial);
	} else if (event->trial >= 0) {
		want(&at, event->trial < job->trial_count, "a trial that nobody asked for");
		at.trial = &job->trials[event->trial];
	}
	job->version++;
	rules[event->type](&at);
	json_decref(data);
}
