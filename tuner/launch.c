/* Sends questions out: at once, when a lease is on disk, or when a worker comes; and ends what takes too long. */
#include "tuner/launch.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tuner/advice.h"
#include "tuner/asking.h"
#include "tuner/attempt.h"
#include "tuner/delivery.h"
#include "tuner/flight.h"
#include "tuner/landing.h"
#include "tuner/pool.h"
#include "tuner/run.h"

enum { LEASE_GRACE_MS = 5000 };

/* An attempt begins: at once, or when a worker comes. */
static void launch(struct flight *flight)
{
	const struct target *target = flight_target(flight);
	json_t *data;

	flight->next_try_ms = 0;
	if (target->pool != NULL) {
		pool_offer(flight);
		return;
	}
	data = json_pack("{s:s}", "evaluator", target->id != NULL ? target->id : "inline");
	if (flight_has_choice(flight)) {
		(void)json_object_set_new(data, "place", json_integer(flight->place));
	}
	flight_lease(flight, target->timeout_ms + LEASE_GRACE_MS, data);
}

static void answer_known(struct flight *flight)
{
	struct answer_expect expect = asking_expectation(flight);
	struct answer answer;
	struct err err;

	err_init(&err);
	if (answer_parse(flight_target(flight)->baseline, &expect, &answer, &err) == 0) {
		landing_take(flight, &answer, NULL);
	} else {
		attempt_fail(flight, &(struct attempt_end){.type = LOGGED_ATTEMPT_FAILED,
							   .error = err.message,
							   .retry_after_ms = -1});
	}
	answer_finish(&answer);
}

static void on_timer(void *arg)
{
	struct flight *flight = arg;
	static const char *const errors[] = {
		"the evaluator accepted the question and never answered",
		"the worker was not heard of until its lease ended",
	};

	if (flight->run == NULL) {
		return;
	}
	if (flight->trial->state == TRIAL_LEASED) {
		bool pooled = flight_is_pooled(flight);

		attempt_fail(flight, &(struct attempt_end){.type = LOGGED_LEASE_EXPIRED,
							   .error = errors[pooled],
							   .retryable = true,
							   .at_once = pooled,
							   .retry_after_ms = -1});
		return;
	}
	if (attempt_lost_patience(flight)) {
		return;
	}
	if (flight_is_known(flight)) {
		answer_known(flight);
		return;
	}
	if (flight_has_choice(flight)) {
		flight->place = sched_move(&flight->run->seat, flight->place);
	}
	launch(flight);
	run_wake(flight->run);
}

static void on_limit(void *arg)
{
	struct flight *flight = arg;
	char *error;

	if (flight->run == NULL || flight->trial->state != TRIAL_LEASED) {
		return;
	}
	error = mem_printf("no answer within the job's max_question_s of %g s",
			   flight->run->job->spec->max_question_s);
	attempt_fail(flight, &(struct attempt_end){.type = LOGGED_ATTEMPT_FAILED,
						   .error = error,
						   .retry_after_ms = -1});
	free(error);
}

static struct flight *create(struct run *run, struct trial *trial, int place)
{
	struct flight *flight = mem_new(1, sizeof(*flight));

	flight->run = run;
	flight->trial = trial;
	flight->place = place;
	flight->asked_ms = io_mono_ms(run->io);
	trial->flies = true;
	list_init(&flight->due);
	list_append(&run->flights, &flight->node);
	io_timer_init(run->io, &flight->timer, on_timer, flight);
	io_timer_init(run->io, &flight->limit, on_limit, flight);
	run->tuner->stats.flights++;
	run->tuner->awaited += !flight_is_pooled(flight);
	return flight;
}

void launch_start(struct run *run, struct trial *trial, int place)
{
	struct flight *flight = create(run, trial, place);

	if (flight_is_known(flight)) {
		io_timer_start(run->io, &flight->timer, 0);
	} else {
		if (!question_is_advice(trial->kind)) {
			quota_asked(&run->tuner->quota, run->owner);
		}
		launch(flight);
	}
}

void launch_wait(struct run *run, struct trial *trial, int place)
{
	struct flight *flight = create(run, trial, place);

	flight_extend(flight, trial->ttl_ms > 0 ? trial->ttl_ms
						: (int64_t)run->tuner->options.lease_ttl_ms);
	flight_limit(flight, trial->since_ms);
}

static void on_advice(void *arg, const struct advice_result *result)
{
	struct flight *flight = arg;

	flight->advice = NULL;
	if (result->data != NULL) {
		landing_tell(flight, result->data);
	} else {
		attempt_fail(flight,
			     &(struct attempt_end){.type = LOGGED_ATTEMPT_FAILED,
						   .error = result->error,
						   .retryable = result->retryable,
						   .later = result->later,
						   .retry_after_ms = result->retry_after_ms});
	}
}

void launch_send(struct run *run, int64_t number, const char *lease_id)
{
	struct trial *trial = run->job->trials[number];
	struct flight *flight = flight_find(run, trial);

	if (flight == NULL || flight->call != NULL || flight->advice != NULL ||
	    strcmp(trial->lease, lease_id) != 0) {
		return;
	}
	run->tuner->stats.attempts++;
	if (flight_is_advice(flight)) {
		flight->advice = advice_ask(run, trial, on_advice, flight);
	} else if (!flight_is_pooled(flight)) {
		delivery_send(flight);
	}
}
