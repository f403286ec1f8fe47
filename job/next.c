/* Decides what a job wants done next. */
#include "job/next.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/active.h"
#include "job/coarse.h"
#include "job/disagree.h"
#include "job/endgame.h"
#include "job/fold.h"
#include "job/words.h"

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

/* Says what is handed over, if that is another one than the best of single measurements, or if the end
 * game has found out more about it. */
static void choose(struct job *job, const struct trial *choice, bool ended)
{
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

/* `judged`: the end game has said what it makes of the choice. */
static struct next end(struct job *job, const char *reason, bool judged)
{
	char *detail = words_exit(job, reason, judged);
	bool nothing = job->spec->rules >= 2 && job_measured_nothing(job);
	bool failed = nothing || strcmp(reason, "too_many_failures") == 0;

	(judged ? job_end_judged : job_end)(job, failed ? JOB_FAILED : JOB_COMPLETED, reason,
					    detail);
	free(detail);
	return (struct next){.step = NEXT_END};
}

/* Records words, if there are any, and frees them. */
static void tell(struct job *job, enum logged type, int64_t trial, char *text)
{
	if (text != NULL) {
		job_record(job, type, trial, json_pack("{s:s}", "detail", text));
		free(text);
	}
}

/* What could be said of the choice is known now. */
static struct next end_game_over(struct job *job, const struct trial *choice, const char *reason)
{
	if (choice != NULL) {
		tell(job, LOGGED_MEASUREMENT_DISAGREES, choice->number,
		     disagree_choice(job, choice));
		tell(job, LOGGED_MEASUREMENT_DISAGREES, 0, disagree_baseline(job, choice));
		tell(job, LOGGED_WARNING, -1, endgame_overruled(job, choice));
		tell(job, LOGGED_WARNING, -1, coarse_choice(job, choice));
	}
	choose(job, choice, true);
	return end(job, reason, true);
}

/* One question at a time: evaluators differ in more than noise, so it goes where the choice was measured. */
static struct next confirm(const struct job *job, const struct trial *choice, int64_t subject,
			   int64_t round)
{
	if (confirmation_is_out(job)) {
		return (struct next){.step = NEXT_REST};
	}
	return (struct next){
		.step = NEXT_CONFIRM, .trial = subject, .round = round, .where = choice->place};
}

/* By the first rules a winner is measured again, and that is all. By others nobody has wanted that, or too much has failed. */
static struct next finish_plainly(struct job *job, const char *reason)
{
	const struct trial *subject;

	choose(job, job_final_choice(job), false);
	subject = job_to_confirm(job, reason);
	return subject != NULL ? confirm(job, subject, subject->number, 0)
			       : end(job, reason, false);
}

static struct next finish_for(struct job *job, const char *reason)
{
	const struct trial *choice;
	struct endgame_next game;

	if (!endgame_applies(job, reason)) {
		return finish_plainly(job, reason);
	}
	choice = endgame_choice(job, reason);
	choose(job, choice, false);
	game = endgame_next(job, choice);
	if (game.step == ENDGAME_ASK) {
		return confirm(job, choice, game.subject, game.round);
	}
	if (confirmation_is_out(job)) {
		return (struct next){.step = NEXT_REST};
	}
	return end_game_over(job, choice, reason);
}

/* The number of a trial that is to be asked again and that nobody has; -1 while there is none, or while as many are out
 * as may be. */
static int64_t due_retry(const struct job *job)
{
	int64_t waiting = 0, first = -1;

	for (int64_t i = 0; i < job->trial_count && waiting < job->retries; i++) {
		const struct trial *trial = job->trials[i];

		if (trial->retried && !trial->cached && !trial->flies) {
			waiting++;
			first = first >= 0 ? first : i;
		}
	}
	return job->out - waiting < job->parallel ? first : -1;
}

static struct next go_on(struct job *job)
{
	const char *reason = job_exit_reason(job);
	int64_t again = due_retry(job);

	if (again >= 0) {
		return (struct next){.step = NEXT_RETRY, .trial = again};
	}
	if (!job->strategy_ready) {
		return (struct next){.step = job_has_baseline(job) ? NEXT_REST : NEXT_BASELINE};
	}
	if (reason != NULL && strategy_is_behind(&job->strategy)) {
		/* It may have a say in what is handed over. */
		return (struct next){.step = NEXT_CATCH_UP};
	}
	if (reason != NULL) {
		return finish_for(job, reason);
	}
	return (struct next){.step = job_may_ask(job) ? NEXT_STRATEGY : NEXT_REST};
}

struct next job_next(struct job *job, const struct circumstances *around)
{
	(void)job_settle(job);
	if (around->stopping || job->state == JOB_PAUSED) {
		return (struct next){.step = NEXT_REST};
	}
	if (around->down != NULL) {
		job_end(job, JOB_FAILED, "evaluator_down", around->down);
		return (struct next){.step = NEXT_END};
	}
	return go_on(job);
}

/* Time that is over leaves none for the end game, which costs no trials but time. */
static void warn_of_no_end_game(struct job *job)
{
	const struct trial *choice = job->strategy_ready && endgame_applies(job, "timeout")
					     ? endgame_choice(job, "timeout")
					     : NULL;

	if (choice == NULL || !choice->candidate.feasible ||
	    endgame_next(job, choice).step != ENDGAME_ASK) {
		return;
	}
	job_record(
		job, LOGGED_WARNING, -1,
		json_pack("{s:s++}", "detail",
			  "the time was over before the best config was measured again, so what "
			  "is said of it may be the luckiest of many measurements",
			  job->spec->acceptance != NULL
				  ? ", and was not judged on the acceptance data"
				  : "",
			  ". A longer timeout, or max_trials without one, leaves time for that"));
}

void job_time_out(struct job *job)
{
	job_record(job, LOGGED_TIMEOUT, -1, NULL);
	warn_of_no_end_game(job);
	job_end(job, JOB_COMPLETED, "timeout", "the job's time is over");
}
