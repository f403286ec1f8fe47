/* Decides what becomes of an attempt that ended without an answer: who is to blame, what it costs, what follows. */
#include "tuner/attempt.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "job/active.h"
#include "job/next.h"
#include "tuner/flight.h"
#include "tuner/run.h"

/* What becomes of an attempt that ended without an answer: who is to blame, what it costs, whether another one
 * follows. */

enum { BACKOFF_CAP_MS = 60000, LATER_MS = 100 };

/* Full jitter below a doubling bound, drawn from a stream of its own (promises: retry policy). Who says "later" but
 * not when is asked less and less often, too. */
static uint64_t backoff_ms(const struct flight *flight, const struct attempt_end *why)
{
	const struct spec *spec = flight->run->job->spec;
	const struct trial *trial = flight->trial;
	bool vague = why->later && why->retry_after_ms <= 0;
	struct rng rng = rng_make(spec->seed, RNG_TIMING,
				  (uint64_t)trial->number * 64 + (uint64_t)trial->attempts);
	double doublings = (double)trial->failures + (vague ? (double)trial->put_off : 0);
	double least = why->later ? LATER_MS : 0;
	double bound = fmin(BACKOFF_CAP_MS, fmax(least, 1000 * spec->backoff_s) *
						    ldexp(1, (int)fmin(20, doublings)));
	double delay = fmax(rng_unit(&rng) * bound, least);

	return (uint64_t)fmax(delay, (double)why->retry_after_ms);
}

static json_t *failure_data(struct run *run, const struct trial *trial, const char *error)
{
	json_t *data = job_active(run->job);

	(void)json_object_set_new(data, "error", json_string(error));
	(void)json_object_set_new(data, "attempts", json_integer(trial->attempts));
	return data;
}

/* The trial has failed, and its flight is over. */
static void lost(struct run *run, struct trial *trial, const char *error)
{
	run->tuner->stats.trials_failed++;
	job_after_failure(run->job, trial, error);
	run_follow(run);
	run_wake(run);
}

static void fail(struct flight *flight, const struct attempt_end *why)
{
	struct run *run = flight->run;
	struct trial *trial = flight->trial;
	const char *who = flight_who(flight);
	char *error = flight_named(flight, why->error);
	json_t *data = failure_data(run, trial, flight_is_pooled(flight) ? why->error : error);

	if (who != NULL) {
		(void)json_object_set_new(data, "worker", json_string(who));
	}
	job_record(run->job, LOGGED_TRIAL_FAILED, trial->number, data);
	flight_end(flight);
	lost(run, trial, error);
	free(error);
}

void attempt_give_up(struct run *run, struct trial *trial)
{
	static const char error[] = "given up by request";
	struct flight *flight = flight_find(run, trial);
	json_t *data = failure_data(run, trial, error);

	(void)json_object_set_new(data, "by_hand", json_true());
	job_record(run->job, LOGGED_TRIAL_FAILED, trial->number, data);
	if (flight != NULL) {
		flight_end(flight);
	}
	lost(run, trial, error);
}

static void note_attempt(const struct flight *flight, const struct attempt_end *why, json_t *data)
{
	const struct trial *trial = flight->trial;
	const char *who = flight_who(flight);

	if (who != NULL) {
		(void)json_object_set_new(data, "worker", json_string(who));
	}
	(void)json_object_update_new(data,
				     json_pack("{s:s, s:I, s:s, s:b}", "lease", trial->lease,
					       "attempt", (json_int_t)trial->attempts, "error",
					       why->error, "retryable", why->retryable));
	if (why->hash != NULL) {
		(void)json_object_set_new(data, "answer", json_string(why->hash));
	}
	job_record(flight->run->job, why->type, trial->number, data);
	log_line(LOG_WARNING, "attempt failed", LOG_TEXT("job", flight->run->job->id),
		 LOG_INT("trial", trial->number), LOG_INT("attempt", trial->attempts),
		 LOG_TEXT("worker", who), LOG_TEXT("error", why->error));
}

/* What has nothing to do with the question costs its trial nothing. Only a job that has not begun yet
 * rather fails at once than waits for somebody who refuses and will go on refusing: a wrong path, a
 * wrong credential. */
static bool counts(const struct flight *flight, const struct attempt_end *why, bool well)
{
	bool for_good = flight->trial->kind == QUESTION_BASELINE && well && !why->retryable;

	return !why->later && (!why->blameless || for_good);
}

/* How much longer the question may be put off, in ms; below 0 when it has been for too long. */
static double patience_ms(const struct flight *flight)
{
	double limit_s = flight->run->job->spec->busy_s;
	int64_t since = flight->trial->busy_ms;

	return limit_s > 0 && since > 0
		       ? 1000 * limit_s - (double)(io_wall_ms(flight->run->io) - since)
		       : INFINITY;
}

static bool is_spent(const struct flight *flight, const struct attempt_end *why, bool costs)
{
	return costs && (!why->retryable ||
			 flight->trial->failures + 1 >= flight->run->job->spec->max_attempts);
}

bool attempt_blames(const struct flight *flight, enum answer_fault fault)
{
	bool asked_alike =
		flight->trial->kind == QUESTION_BASELINE || flight->trial->config != NULL;

	return (fault == ANSWER_MALFORMED || fault == ANSWER_MISPLACED) && asked_alike &&
	       flight->trial->kind != QUESTION_SCORE && !question_is_advice(flight->trial->kind);
}

static void warn_left_out(struct run *run, const char *who, const char *error)
{
	char *detail = mem_printf("%.*s answers what cannot be used and is left out for a while: "
				  "%s",
				  LIMIT_WORKER_BYTES, who, error);

	job_record(run->job, LOGGED_WARNING, -1, json_pack("{s:s}", "detail", detail));
	free(detail);
}

void attempt_accuse(struct run *run, const char *who, const char *error, bool others)
{
	if (run->job->state == JOB_PAUSED) {
		return;
	}
	if (others && run->job->strategy_ready) {
		warn_left_out(run, who, error);
	} else {
		job_pause(run->job, "evaluator_broken", error, who);
		run_follow(run);
	}
}

/* What cannot be used says nothing of the question: its trial waits for somebody who answers right. */
static void blame_evaluator(struct flight *flight, const struct attempt_end *why)
{
	struct run *run = flight->run;
	int64_t probe_ms = (int64_t)run->tuner->options.evaluator_probe_ms;
	char *who = mem_dup(flight_who(flight));
	bool others =
		sched_leave_out(&run->seat, flight->place, io_mono_ms(flight->run->io) + probe_ms);

	note_attempt(flight, why, json_pack("{s:b, s:b}", "counts", 0, "waits", 1));
	flight_end(flight);
	attempt_accuse(run, who, why->error, others);
	free(who);
	run_wake(run);
}

bool attempt_lost_patience(struct flight *flight)
{
	const struct trial *trial = flight->trial;
	struct run *run = flight->run;
	const char *said = trial->last_error != NULL ? trial->last_error : "later";
	char *error;

	if (patience_ms(flight) > 0) {
		return false;
	}
	error = mem_printf("put off for the job's busy_s of %g s: %s", run->job->spec->busy_s,
			   said);
	fail(flight, &(struct attempt_end){.error = error});
	free(error);
	run_wake(run);
	return true;
}

void attempt_fail(struct flight *flight, const struct attempt_end *why)
{
	struct run *run = flight->run;
	bool well = !why->broken || sched_is_well(&run->seat, flight->place);
	bool costs = counts(flight, why, well);
	uint64_t delay = why->at_once ? 0 : backoff_ms(flight, why);
	json_t *data;

	flight_note_time(flight, false);
	if (attempt_blames(flight, why->fault)) {
		blame_evaluator(flight, why);
		return;
	}
	data = json_object();
	if (!costs) {
		(void)json_object_set_new(data, "counts", json_false());
	}
	if (why->later) {
		(void)json_object_set_new(data, "later", json_true());
	}
	if (is_spent(flight, why, costs)) {
		note_attempt(flight, why, data);
		fail(flight, why);
		return;
	}
	if (well) {
		(void)json_object_set_new(data, "retry_in_ms", json_integer((json_int_t)delay));
		note_attempt(flight, why, data);
		delay = (uint64_t)fmin((double)delay, fmax(patience_ms(flight), 0));
		flight->next_try_ms = io_wall_ms(flight->run->io) + (int64_t)delay;
		io_timer_start(flight->run->io, &flight->timer, delay);
	} else {
		(void)json_object_set_new(data, "waits", json_true());
		note_attempt(flight, why, data);
		flight_end(flight);
	}
	run_wake(run);
}
