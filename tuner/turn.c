#include "tuner/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "job/endgame.h"
#include "tuner/flight.h"
#include "job/fold.h"
#include "job/words.h"
#include "job/unscored.h"

/*
 * A turn: settle what came in, see whether the job is over, ask for more, hand everything to the
 * store. It is taken whenever something changed, any number of times: what it does follows from
 * the job alone.
 */

/* The strategy's turn on a pool thread. */
struct ask {
	struct loop_job work;
	struct run *run;
	int place;     /* taken for the question; -1 when it is to catch up alone */
	bool complete; /* all that it was to see is applied */
	enum step step;
	struct question question;
};

static json_t *state_data(struct run *run, enum job_state state)
{
	json_t *data = run_active(run);

	(void)json_object_set_new(data, "state", json_string(job_state_names[state]));
	return data;
}

/* Records a question that somebody will be asked; the place was taken. */
static void record_asked(struct run *run, int64_t number, json_t *data, int place)
{
	job_record(run->job, LOGGED_QUESTION_ASKED, number, data);
	flight_start(run, run->job->trials[number], place);
}

static void ask_somebody(struct run *run, const struct question *question, int64_t twin, int place)
{
	struct job *job = run->job;

	record_asked(run, question->kind == QUESTION_BASELINE ? 0 : job->trial_count,
		     job_asked_data(job, question, twin, false), place);
}

static void start_baseline(struct run *run)
{
	struct question question = {.kind = QUESTION_BASELINE, .stage = "baseline"};
	int place = job_has_baseline(run->job) ? -1 : sched_take(&run->seat);

	if (place < 0) {
		return;
	}
	if (run->job->state == JOB_QUEUED) {
		job_record(run->job, LOGGED_STATE_CHANGED, -1, state_data(run, JOB_BASELINE));
		run_clock(run);
	}
	ask_somebody(run, &question, -1, place);
}

/* What of a result goes for a trial with an equal config. */
static json_t *copied(const struct job *job, const struct trial *twin)
{
	static const char *const members[] = {"accuracy", "metrics", "feasible", "objective_value",
					      "margin",   "scores",  "estimate", "verdict"};
	json_t *data = json_pack("{s:s}", "source", "cache");

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		(void)json_object_set(data, members[i], json_object_get(twin->told, members[i]));
	}
	if (twin->kind == QUESTION_BASELINE) {
		job_judge(job, data); /* there was no bound yet */
	}
	return data;
}

/* Gives a trial the result of the one that it repeats. */
static void share_result(struct job *job, const struct trial *twin, int64_t number)
{
	if (twin->state == TRIAL_TOLD) {
		job_record(job, LOGGED_TRIAL_TOLD, number, copied(job, twin));
	} else if (twin->state == TRIAL_PRUNED) {
		job_record(job, LOGGED_TRIAL_PRUNED, number, copied(job, twin));
	} else if (twin->state == TRIAL_FAILED) {
		job_record(job, LOGGED_TRIAL_FAILED, number,
			   json_pack("{s:s, s:i}", "error", "the same config failed before",
				     "attempts", 0));
	}
}

static void share_results(struct job *job, const struct trial *twin)
{
	for (int64_t i = twin->number + 1; i < job->trial_count; i++) {
		const struct trial *trial = job->trials[i];

		if (trial->cached && trial->twin == twin->number && trial->state < TRIAL_TOLD) {
			share_result(job, twin, i);
		}
	}
}

static void enter_stage(struct job *job, const char *stage)
{
	if (strcmp(job->stage, stage) != 0) {
		job_record(job, LOGGED_STAGE_ENTERED, -1, json_pack("{s:s}", "stage", stage));
	}
}

static void on_question(struct run *run, const struct question *question, int place)
{
	struct job *job = run->job;
	struct trial *twin = job_find_twin(job, question);
	int64_t number;

	if (question_is_advice(question->kind)) {
		sched_give_back(&run->seat, place); /* the evaluator has nothing to do with it */
		place = -1;
	}
	enter_stage(job, question->stage);
	number = job->trial_count;
	if (twin == NULL || (question->again && twin->number > 0)) {
		ask_somebody(run, question, twin != NULL ? twin->number : -1, place);
		return;
	}
	if (place >= 0) {
		sched_give_back(&run->seat, place);
	}
	job_record(job, LOGGED_QUESTION_ASKED, number,
		   job_asked_data(job, question, twin->number, true));
	share_result(job, twin, number);
}

static void on_step(struct run *run, const struct ask *ask)
{
	struct job *job = run->job;
	enum step step = ask->step;

	if (step == STEP_ASK) {
		on_question(run, &ask->question, ask->place);
		return;
	}
	sched_give_back(&run->seat, ask->place);
	job->exhausted = step == STEP_DONE || step == STEP_CONTENT;
	job->content = step == STEP_CONTENT;
	job->starved = step == STEP_WAIT;
	if (step == STEP_WAIT && job->out == 0 && job_settle(job) == 0) {
		log_line(LOG_ERROR, "a strategy waits for nothing", LOG_TEXT("job", job->id),
			 LOG_TEXT("strategy", job->strategy.ops->name));
		job->exhausted = true;
	}
}

static void work_ask(void *arg)
{
	struct ask *ask = arg;

	ask->complete = strategy_catch_up(&ask->run->job->strategy, &ask->run->hurry);
	if (!ask->complete || ask->place < 0) {
		return;
	}
	ask->step = strategy_next(&ask->run->job->strategy, &ask->question);
}

static void after_ask(void *arg)
{
	struct ask *ask = arg;
	struct run *run = ask->run;

	run->ask = NULL;
	if (ask->place >= 0 && (!ask->complete || run->closed || run->job->state != JOB_RUNNING ||
				run->tuner->stopping)) {
		sched_give_back(&run->seat, ask->place);
	} else if (ask->place >= 0) {
		on_step(run, ask);
	}
	if (ask->complete && ask->place >= 0 && ask->step == STEP_ASK) {
		question_finish(&ask->question);
	}
	free(ask);
	run_wake(run);
	run_unref(run);
}

static void lend_strategy(struct run *run, int place)
{
	struct ask *ask = mem_new(1, sizeof(*ask));

	ask->run = run;
	ask->place = place;
	run->ask = ask;
	run_ref(run);
	io_work(run->io, &ask->work, work_ask, after_ask, ask);
}

static void ask_strategy(struct run *run)
{
	int place = sched_take(&run->seat);

	if (place >= 0) {
		lend_strategy(run, place);
	}
}

static bool confirmation_is_out(const struct job *job)
{
	for (int64_t i = job->trial_count - 1; i >= 0 && job->out > 0; i--) {
		if (job->trials[i]->kind == QUESTION_CONFIRM &&
		    job->trials[i]->state < TRIAL_TOLD) {
			return true;
		}
	}
	return false;
}

/* For people; the caller frees. */
static char *exit_detail(const struct job *job, const char *reason)
{
	bool failed = strcmp(reason, "too_many_failures") == 0;
	const char *text = failed ? "more trials failed than max_failed_trials allows"
				  : "no config could be measured";

	if (!failed && job->best != NULL && job->best->number == 0) {
		return mem_dup("nothing but the baseline itself meets the criterion");
	}
	if (!failed && job->best == NULL && job->charged == 0) {
		return mem_dup("there is no config to measure but the baseline itself");
	}
	if (!failed && job->best != NULL) {
		return mem_dup(job->best->candidate.feasible ? "the best config meets the criterion"
							     : "no config met the criterion");
	}
	if (!failed && !job_measured_nothing(job)) {
		return mem_dup("no measurement that counts meets the criterion");
	}
	return job->last_error != NULL ? mem_printf("%s; trial %lld was the last: %s", text,
						    (long long)job->last_failed, job->last_error)
				       : mem_dup(text);
}

/* Says what is handed over, if that is another one than the best of single measurements, or if the end
 * game has found out more about it. */
static void choose(struct run *run, const struct trial *choice, bool ended)
{
	struct job *job = run->job;
	json_t *ranked = job_ranked_data(job);
	json_t *data;

	if (ranked != NULL) {
		job_record(job, LOGGED_TRIALS_RANKED, -1, ranked);
	}
	if (choice == NULL || (choice == job->best && ranked == NULL && !ended)) {
		return;
	}
	data = ended ? words_best_data(job, choice, true) : job_best_data(job, choice);
	(void)json_object_set_new(data, "seen", json_integer(job->settled));
	job_record(job, LOGGED_NEW_BEST, choice->number, data);
}

/* Asks for a measurement again, if nobody is asked for one already and there is a place: where the
 * `choice` was measured, if that can be, since evaluators differ in more than noise. */
static void ask_again(struct run *run, const struct trial *choice, int64_t subject, int64_t round)
{
	struct job *job = run->job;
	struct question question = {.kind = QUESTION_CONFIRM,
				    .stage = "confirm",
				    .config = job->trials[subject]->config};
	int place = confirmation_is_out(job) ? -1 : sched_take_at(&run->seat, choice->place);
	json_t *data;

	if (place < 0) {
		return;
	}
	enter_stage(job, question.stage);
	data = job_asked_data(job, &question, subject, false);
	if (job->spec->rules >= 2) {
		(void)json_object_set_new(data, "round", json_integer(round));
		if (job->spec->acceptance != NULL) {
			(void)json_object_set(data, "subset", job->spec->acceptance);
		}
	}
	record_asked(run, job->trial_count, data, place);
}

static void end(struct run *run, const char *reason)
{
	char *detail = exit_detail(run->job, reason);
	bool nothing = run->job->spec->rules >= 2 && job_measured_nothing(run->job);
	bool failed = nothing || strcmp(reason, "too_many_failures") == 0;

	run_finish(run, failed ? JOB_FAILED : JOB_COMPLETED, reason, detail);
	free(detail);
}

/* What could be said of the choice is known now. */
static void end_game_over(struct run *run, const struct trial *choice, const char *reason)
{
	struct job *job = run->job;
	char *text = choice != NULL ? endgame_disagreement(job, choice) : NULL;

	if (text != NULL) {
		job_record(job, LOGGED_MEASUREMENT_DISAGREES, choice->number,
			   json_pack("{s:s}", "detail", text));
		free(text);
	}
	choose(run, choice, true);
	end(run, reason);
}

static void finish_for(struct run *run, const char *reason)
{
	struct job *job = run->job;
	const struct trial *subject;
	struct endgame_next next;

	if (!endgame_applies(job, reason)) {
		choose(run, job_final_choice(job), false);
		subject = job->spec->rules < 2 ? job_to_confirm(job, reason) : NULL;
		if (subject == NULL) {
			end(run, reason);
		} else {
			ask_again(run, subject, subject->number, 0);
		}
		return;
	}
	subject = endgame_choice(job, reason);
	choose(run, subject, false);
	next = endgame_next(job, subject);
	if (next.step == ENDGAME_ASK) {
		ask_again(run, subject, next.subject, next.round);
	} else if (!confirmation_is_out(job)) {
		end_game_over(run, subject, reason);
	}
}

/* A trial that is to be asked again and that nobody has; NULL while as many are out as may be. */
static struct trial *due_retry(const struct run *run)
{
	const struct job *job = run->job;
	struct trial *first = NULL;
	int64_t waiting = 0;

	for (int64_t i = 0; i < job->trial_count && waiting < job->retries; i++) {
		struct trial *trial = job->trials[i];

		if (trial->retried && !trial->cached && flight_find(run, trial) == NULL) {
			waiting++;
			first = first != NULL ? first : trial;
		}
	}
	return job->out - waiting < job->parallel ? first : NULL;
}

static void retry(struct run *run, struct trial *trial)
{
	int place = sched_take(&run->seat);

	if (place >= 0) {
		flight_start(run, trial, place);
		run_wake(run);
	}
}

static void go_on(struct run *run)
{
	struct job *job = run->job;
	const char *reason = job_exit_reason(job);

	bool may_ask = !run->tuner->stopping && job->state != JOB_PAUSED;
	struct trial *again = may_ask ? due_retry(run) : NULL;

	if (again != NULL) {
		retry(run, again);
	} else if (may_ask && !job->strategy_ready) {
		start_baseline(run);
	} else if (may_ask && reason != NULL && strategy_is_behind(&job->strategy)) {
		lend_strategy(run, -1); /* it may have a say in what is handed over */
	} else if (may_ask && reason != NULL) {
		finish_for(run, reason);
	} else if (may_ask && job_may_ask(job)) {
		ask_strategy(run);
	} else {
		sched_leave(&run->seat);
	}
}

/* What its evaluators said last when none of them has been well for too long; NULL otherwise. */
static const char *why_down(const struct run *run)
{
	int64_t limit_ms = (int64_t)run->tuner->options.evaluator_down_ms;
	const char *error = NULL;

	return run->job->state != JOB_PAUSED && !run->tuner->stopping && limit_ms > 0 &&
			       sched_down_ms(&run->seat, &error) >= limit_ms
		       ? error
		       : NULL;
}

void turn_take(struct run *run)
{
	const char *down = why_down(run);

	if (!job_state_is_final(run->job->state) && run->ask == NULL) {
		(void)job_settle(run->job);
		if (down != NULL) {
			run_finish(run, JOB_FAILED, "evaluator_down", down);
		} else {
			go_on(run);
		}
	}
	idle_turn(run);
	run_flush(run, NULL, NULL, NULL);
}

static void baseline_told(struct run *run, struct trial *trial)
{
	struct job *job = run->job;
	struct err why;
	json_t *data;

	if (job_check_baseline(job, trial, &why) != 0) {
		run_finish(run, JOB_FAILED, "baseline_failed", why.message);
		return;
	}
	data = job_baseline_data(job, trial);
	job_record(job, LOGGED_BASELINE_MEASURED, 0, data);
	job_judge_imports(job);
	if (job->state == JOB_BASELINE) {
		job_record(job, LOGGED_STATE_CHANGED, -1, state_data(run, JOB_RUNNING));
		run_clock(run);
	}
}

void turn_told(struct run *run, struct trial *trial)
{
	struct job *job = run->job;

	run->tuner->stats.trials_told++;
	if (trial->kind == QUESTION_BASELINE) {
		baseline_told(run, trial);
	} else if (trial->kind == QUESTION_CONFIRM && trial->twin > 0 &&
		   job->trials[trial->twin]->rejected) {
		job_record(job, LOGGED_MEASUREMENT_DISAGREES, trial->twin,
			   json_pack("{s:s}", "detail",
				     "measured again, the config does not meet the criterion"));
	} else if (trial->kind == QUESTION_EVALUATE) {
		share_results(job, trial);
	}
	run_wake(run);
}

/* Nobody can tell how true the first measurement is. */
static void warn_unconfirmed(struct job *job, const struct trial *trial, const char *error)
{
	char *text = trial->twin > 0
			     ? mem_printf("the choice, trial %lld, could not be measured "
					  "again: %s",
					  (long long)trial->twin, error)
			     : mem_printf("the baseline could not be measured again: %s", error);

	job_record(job, LOGGED_WARNING, -1, json_pack("{s:s}", "detail", text));
	free(text);
}

void turn_failed(struct run *run, struct trial *trial, const char *error)
{
	run->tuner->stats.trials_failed++;
	if (trial->kind == QUESTION_BASELINE) {
		run_finish(run, JOB_FAILED, "baseline_failed", error);
		return;
	}
	if (question_is_advice(trial->kind)) {
		run_finish(run, JOB_FAILED, "error", error);
		return;
	}
	if (trial->kind == QUESTION_SCORE) {
		char *text = unscored_text(run->job, trial, error);

		if (unscored_is_fatal(trial)) {
			run_finish(run, JOB_FAILED, "score_failed", text);
			free(text);
			return;
		}
		unscored_warn(run->job, text);
	}
	if (trial->kind == QUESTION_CONFIRM) {
		warn_unconfirmed(run->job, trial, error);
	}
	share_results(run->job, trial);
	run_wake(run);
}
