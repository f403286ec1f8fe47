#include "tuner/flight.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "job/active.h"
#include "job/early.h"
#include "job/next.h"
#include "tuner/pool.h"
#include "job/remark.h"

enum { LEASE_GRACE_MS = 5000, GIVEN_BACK_MS = 1000 };

static bool is_advice(const struct flight *flight)
{
	return question_is_advice(flight->trial->kind);
}

const struct target *flight_target(const struct flight *flight)
{
	const struct spec *spec = flight->run->job->spec;

	return is_advice(flight) ? &spec->adviser : &spec->targets[flight->place];
}

bool flight_is_pooled(const struct flight *flight)
{
	return flight_target(flight)->pool != NULL;
}

/* Whether another evaluator could have been asked. */
static bool has_choice(const struct flight *flight)
{
	return !is_advice(flight) && flight->run->job->spec->target_count > 1;
}

const char *flight_who(const struct flight *flight)
{
	const struct target *target = flight_target(flight);

	if (target->pool != NULL || is_advice(flight)) {
		return flight->trial->worker;
	}
	return target->id != NULL ? target->id : target->url;
}

char *flight_named(const struct flight *flight, const char *error)
{
	const char *who = flight_who(flight);

	return who != NULL && (flight_is_pooled(flight) || has_choice(flight))
		       ? mem_printf("%.*s: %s", LIMIT_WORKER_BYTES, who, error)
		       : mem_dup(error);
}

static void on_timer_closed(void *arg)
{
	struct flight *flight = arg;

	if (--flight->open_timers > 0) {
		return;
	}
	for (size_t i = 0; flight->tied != NULL && i < flight->op_count; i++) {
		free(flight->tied[i]);
	}
	free(flight->tied);
	free(flight->ops);
	free(flight->option_counts);
	free(flight);
}

void flight_end(struct flight *flight)
{
	struct run *run = flight->run;

	if (flight->call != NULL) {
		run->io->cancel_call(run->io->world, flight->call);
	}
	advice_cancel(flight->advice);
	pool_withdraw(flight);
	run->tuner->awaited -= !flight_is_pooled(flight);
	run->tuner->stats.flights--;
	list_remove(&flight->node);
	flight->trial->flies = false;
	flight->run = NULL;
	if (flight->place >= 0) {
		sched_give_back(&run->seat, flight->place);
	}
	flight->open_timers = 2;
	io_timer_close(run->io, &flight->timer, on_timer_closed);
	io_timer_close(run->io, &flight->limit, on_timer_closed);
	tuner_check_stopped(run->tuner);
}

void flight_end_all(struct run *run)
{
	while (!list_empty(&run->flights)) {
		flight_end(list_entry(run->flights.next, struct flight, node));
	}
}

struct flight *flight_find(const struct run *run, const struct trial *trial)
{
	for (struct list *n = run->flights.next; n != &run->flights; n = n->next) {
		struct flight *flight = list_entry(n, struct flight, node);

		if (flight->trial == trial) {
			return flight;
		}
	}
	return NULL;
}

struct flight *flight_of_lease(const struct tuner *tuner, const char *lease)
{
	struct trial *trial = (struct trial *)map_get(&tuner->leases, lease, 0); /* NOLINT */
	struct run *run = trial != NULL ? run_find(tuner, trial->job->id) : NULL;

	if (run == NULL || trial->state != TRIAL_LEASED || strcmp(trial->lease, lease) != 0) {
		return NULL;
	}
	return flight_find(run, trial);
}

/* The attempt, which began then, is given up in time. */
static void limit(struct flight *flight, int64_t since_ms)
{
	double limit_ms = 1000 * flight->run->job->spec->max_question_s;
	double left = limit_ms - (double)(io_wall_ms(flight->run->io) - since_ms);

	if (limit_ms > 0 && !is_advice(flight)) {
		io_timer_start(flight->run->io, &flight->limit, left > 0 ? (uint64_t)left : 0);
	}
}

/* `more` says who has the lease; taken over. */
static void lease(struct flight *flight, int64_t ttl_ms, json_t *more)
{
	struct run *run = flight->run;
	struct trial *trial = flight->trial;
	char id[ID_SIZE];

	run->io->make_id(run->io->world, id, "lse_");
	flight->expires_at = io_wall_ms(run->io) + ttl_ms;
	(void)json_object_update_new(more, json_pack("{s:s, s:I, s:I}", "lease", id, "attempt",
						     (json_int_t)(trial->attempts + 1),
						     "expires_at", (json_int_t)flight->expires_at));
	job_record(run->job, LOGGED_QUESTION_LEASED, trial->number, more);
	limit(flight, io_wall_ms(run->io));
	if (!is_advice(flight)) {
		map_set(&run->tuner->leases, trial->lease, (intptr_t)trial);
	}
}

void flight_grant(struct flight *flight, const char *worker, int64_t ttl_ms)
{
	flight->asked_ms = io_mono_ms(flight->run->io);
	lease(flight, ttl_ms,
	      json_pack("{s:s, s:s, s:I}", "pool", flight_target(flight)->pool, "worker", worker,
			"ttl_ms", (json_int_t)ttl_ms));
	io_timer_start(flight->run->io, &flight->timer, (uint64_t)ttl_ms);
}

/* Whoever made the job said what its baseline is. */
static bool is_known(const struct flight *flight)
{
	return flight->trial->kind == QUESTION_BASELINE && flight_target(flight)->baseline != NULL;
}

void flight_note_time(const struct flight *flight, bool fine)
{
	if (!is_known(flight) && !is_advice(flight)) {
		histogram_add(
			&flight->run->tuner->stats.answer_time[flight_is_pooled(flight)][!fine],
			(double)(io_mono_ms(flight->run->io) - flight->asked_ms) / 1000);
	}
}

void flight_extend(struct flight *flight, int64_t ttl_ms)
{
	flight->expires_at = io_wall_ms(flight->run->io) + ttl_ms;
	io_timer_start(flight->run->io, &flight->timer, (uint64_t)ttl_ms);
}

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
	if (has_choice(flight)) {
		(void)json_object_set_new(data, "place", json_integer(flight->place));
	}
	lease(flight, target->timeout_ms + LEASE_GRACE_MS, data);
}

void flight_give_back(struct flight *flight, json_t *data)
{
	struct run *run = flight->run;

	io_timer_stop(run->io, &flight->timer);
	(void)json_object_set_new(data, "lease", json_string(flight->trial->lease));
	job_record(run->job, LOGGED_LEASE_RETURNED, flight->trial->number, data);
	if (flight_is_pooled(flight)) {
		pool_offer(flight);
	} else {
		flight->next_try_ms = io_wall_ms(run->io) + GIVEN_BACK_MS;
		io_timer_start(run->io, &flight->timer, GIVEN_BACK_MS);
	}
	run_wake(run);
}

static void answer_known(struct flight *flight)
{
	struct answer_expect expect = flight_expectation(flight);
	struct answer answer;
	struct err err;

	err_init(&err);
	if (answer_parse(flight_target(flight)->baseline, &expect, &answer, &err) == 0) {
		flight_take_answer(flight, &answer, NULL);
	} else {
		flight_fail_attempt(flight, &(struct attempt_end){.type = LOGGED_ATTEMPT_FAILED,
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

		flight_fail_attempt(flight, &(struct attempt_end){.type = LOGGED_LEASE_EXPIRED,
								  .error = errors[pooled],
								  .retryable = true,
								  .at_once = pooled,
								  .retry_after_ms = -1});
		return;
	}
	if (flight_lost_patience(flight)) {
		return;
	}
	if (is_known(flight)) {
		answer_known(flight);
		return;
	}
	if (has_choice(flight)) {
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
	flight_fail_attempt(flight, &(struct attempt_end){.type = LOGGED_ATTEMPT_FAILED,
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

void flight_start(struct run *run, struct trial *trial, int place)
{
	struct flight *flight = create(run, trial, place);

	if (is_known(flight)) {
		io_timer_start(run->io, &flight->timer, 0);
	} else {
		if (!question_is_advice(trial->kind)) {
			quota_asked(&run->tuner->quota, run->owner);
		}
		launch(flight);
	}
}

void flight_wait(struct run *run, struct trial *trial, int place)
{
	struct flight *flight = create(run, trial, place);

	flight_extend(flight, trial->ttl_ms > 0 ? trial->ttl_ms
						: (int64_t)run->tuner->options.lease_ttl_ms);
	limit(flight, trial->since_ms);
}

/* Adds what every result has. Returns `data`. */
static json_t *result_data(const struct flight *flight, json_t *data)
{
	struct run *run = flight->run;
	const char *who = flight_who(flight);

	(void)json_object_update_new(data, job_active(run->job));
	if (who != NULL && flight_is_pooled(flight)) {
		workers_answered(&run->tuner->workers, flight_target(flight)->pool, who);
	}
	if (who != NULL) {
		(void)json_object_set_new(data, "worker", json_string(who));
	}
	return data;
}

/* The trial has a result, and its flight is over. */
static void landed(struct run *run, struct trial *trial)
{
	run->tuner->stats.trials_told++;
	job_after_result(run->job, trial);
	run_follow(run);
	run_wake(run);
}

static void tell(struct flight *flight, json_t *data)
{
	struct run *run = flight->run;
	struct trial *trial = flight->trial;

	job_record(run->job, LOGGED_TRIAL_TOLD, trial->number, result_data(flight, data));
	flight_end(flight);
	landed(run, trial);
}

void flight_prune(struct flight *flight, const struct early *early)
{
	struct run *run = flight->run;
	struct trial *trial = flight->trial;

	job_record(run->job, LOGGED_TRIAL_PRUNED, trial->number,
		   result_data(flight, early_json(early)));
	flight_end(flight);
	landed(run, trial);
}

void flight_take_answer(struct flight *flight, const struct answer *answer, const char *hash)
{
	struct sched_seat *seat = &flight->run->seat;
	json_t *data;

	if (!flight_is_pooled(flight)) {
		sched_answered(seat, flight->place,
			       (double)(io_mono_ms(flight->run->io) - flight->asked_ms) / 1000);
		tuner_watch_health(flight->run->tuner);
	}
	if (answer->failed) {
		flight_fail_attempt(flight, &(struct attempt_end){.type = LOGGED_ATTEMPT_FAILED,
								  .error = answer->error,
								  .retryable = answer->retryable,
								  .retry_after_ms = -1,
								  .hash = hash});
		return;
	}
	flight_note_time(flight, true);
	data = job_told_data(flight->run->job, flight->trial, answer);
	remark_answer(flight->run->job, flight->trial, answer, data);
	if (hash != NULL) {
		(void)json_object_set_new(data, "answer", json_string(hash));
	}
	tell(flight, data);
}

static void on_advice(void *arg, const struct advice_result *result)
{
	struct flight *flight = arg;

	flight->advice = NULL;
	if (result->data != NULL) {
		tell(flight, result->data);
	} else {
		flight_fail_attempt(
			flight, &(struct attempt_end){.type = LOGGED_ATTEMPT_FAILED,
						      .error = result->error,
						      .retryable = result->retryable,
						      .later = result->later,
						      .retry_after_ms = result->retry_after_ms});
	}
}

int flight_endpoint(const struct flight *flight, struct wire *keep, struct endpoint *ret,
		    struct err *reterr)
{
	return wire_endpoint(flight_target(flight), keep, ret, reterr);
}

void flight_send(struct run *run, int64_t number, const char *lease_id)
{
	struct trial *trial = run->job->trials[number];
	struct flight *flight = flight_find(run, trial);

	if (flight == NULL || flight->call != NULL || flight->advice != NULL ||
	    strcmp(trial->lease, lease_id) != 0) {
		return;
	}
	run->tuner->stats.attempts++;
	if (is_advice(flight)) {
		flight->advice = advice_ask(run, trial, on_advice, flight);
	} else if (!flight_is_pooled(flight)) {
		flight_deliver(flight);
	}
}
