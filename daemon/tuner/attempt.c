#include "tuner/flight.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"

/* What becomes of an attempt that ended without an answer: who is to blame, what it costs, whether another one
 * follows. */

enum { BACKOFF_CAP_MS = 60000 };

/* Full jitter below a doubling bound, drawn from a stream of its own (promises: retry policy). */
static uint64_t backoff_ms(const struct flight *flight, int64_t retry_after_ms)
{
	const struct spec *spec = flight->run->job->spec;
	const struct trial *trial = flight->trial;
	struct rng rng = rng_make(spec->seed, RNG_TIMING,
				  (uint64_t)trial->number * 64 + (uint64_t)trial->attempts);
	double bound =
		fmin(BACKOFF_CAP_MS,
		     1000 * spec->backoff_s * ldexp(1, (int)fmin(20, (double)trial->failures)));
	double delay = rng_unit(&rng) * bound;

	return (uint64_t)fmax(delay, (double)retry_after_ms);
}

static void fail(struct flight *flight, const struct attempt_end *why)
{
	struct run *run = flight->run;
	struct trial *trial = flight->trial;
	const char *who = flight_who(flight);
	char *error = flight_named(flight, why->error);
	json_t *data = run_active(run);

	(void)json_object_set_new(data, "error",
				  json_string(flight_is_pooled(flight) ? why->error : error));
	(void)json_object_set_new(data, "attempts", json_integer(trial->attempts));
	if (who != NULL) {
		(void)json_object_set_new(data, "worker", json_string(who));
	}
	job_record(run->job, "trial_failed", trial->number, data);
	flight_end(flight);
	turn_failed(run, trial, error);
	free(error);
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

/* What has nothing to do with the question costs its trial nothing. Only a job that has not begun
 * yet rather fails at once than waits, unless everybody knows that the evaluator is down. */
static bool counts(const struct flight *flight, const struct attempt_end *why, bool well)
{
	return !why->blameless || (flight->trial->kind == QUESTION_BASELINE && well);
}

void flight_fail_attempt(struct flight *flight, const struct attempt_end *why)
{
	struct run *run = flight->run;
	bool well = !why->broken || sched_is_well(&run->seat, flight->place);
	bool costs = counts(flight, why, well);
	bool spent = costs && (!why->retryable ||
			       flight->trial->failures + 1 >= run->job->spec->max_attempts);
	uint64_t delay = why->at_once ? 0 : backoff_ms(flight, why->retry_after_ms);
	json_t *data = json_object();

	if (!costs) {
		(void)json_object_set_new(data, "counts", json_false());
	}
	if (spent) {
		note_attempt(flight, why, data);
		fail(flight, why);
		return;
	}
	if (well) {
		(void)json_object_set_new(data, "retry_in_ms", json_integer((json_int_t)delay));
		note_attempt(flight, why, data);
		flight->next_try_ms = clock_wall_ms() + (int64_t)delay;
		loop_timer_start(&flight->timer, delay);
	} else {
		(void)json_object_set_new(data, "waits", json_true());
		note_attempt(flight, why, data);
		flight_end(flight);
	}
	run_wake(run);
}
