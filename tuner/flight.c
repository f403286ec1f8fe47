/* Who has a question: flights begin and end, and so do the leases under which they are answered. */
#include "tuner/flight.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tuner/advice.h"
#include "tuner/pool.h"
#include "tuner/stop.h"

enum { GIVEN_BACK_MS = 1000, LATE_MS = 1000 };

bool flight_is_advice(const struct flight *flight)
{
	return question_is_advice(flight->trial->kind);
}

const struct target *flight_target(const struct flight *flight)
{
	const struct spec *spec = flight->run->job->spec;

	return flight_is_advice(flight) ? &spec->adviser : &spec->targets[flight->place];
}

bool flight_is_pooled(const struct flight *flight)
{
	return flight_target(flight)->pool != NULL;
}

/* Whether another evaluator could have been asked. */
bool flight_has_choice(const struct flight *flight)
{
	return !flight_is_advice(flight) && flight->run->job->spec->target_count > 1;
}

const char *flight_who(const struct flight *flight)
{
	const struct target *target = flight_target(flight);

	if (target->pool != NULL || flight_is_advice(flight)) {
		return flight->trial->worker;
	}
	return target->id != NULL ? target->id : target->shown;
}

char *flight_named(const struct flight *flight, const char *error)
{
	const char *who = flight_who(flight);

	return who != NULL && (flight_is_pooled(flight) || flight_has_choice(flight))
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
	stop_check(run->tuner);
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
void flight_limit(struct flight *flight, int64_t since_ms)
{
	double limit_ms = 1000 * flight->run->job->spec->max_question_s;
	double left = limit_ms - (double)(io_wall_ms(flight->run->io) - since_ms);

	if (limit_ms > 0 && !flight_is_advice(flight)) {
		io_timer_start(flight->run->io, &flight->limit, left > 0 ? (uint64_t)left : 0);
	}
}

/* `more` says who has the lease; taken over. */
void flight_lease(struct flight *flight, int64_t ttl_ms, json_t *more)
{
	struct run *run = flight->run;
	struct trial *trial = flight->trial;
	char id[ID_SIZE];

	run->io->make_id(run->io->world, id, "lse_");
	flight->expires_at = io_wall_ms(run->io) + ttl_ms;
	flight->seen = flight->total = 0;
	(void)json_object_update_new(more, json_pack("{s:s, s:I, s:I}", "lease", id, "attempt",
						     (json_int_t)(trial->attempts + 1),
						     "expires_at", (json_int_t)flight->expires_at));
	job_record(run->job, LOGGED_QUESTION_LEASED, trial->number, more);
	flight_limit(flight, io_wall_ms(run->io));
	if (!flight_is_advice(flight)) {
		map_set(&run->tuner->leases, trial->lease, (intptr_t)trial);
	}
}

void flight_grant(struct flight *flight, const char *worker, int64_t ttl_ms)
{
	flight->asked_ms = io_mono_ms(flight->run->io);
	flight_lease(flight, ttl_ms,
		     json_pack("{s:s, s:s, s:I}", "pool", flight_target(flight)->pool, "worker",
			       worker, "ttl_ms", (json_int_t)ttl_ms));
}

/* Whoever made the job said what its baseline is. */
bool flight_is_known(const struct flight *flight)
{
	return flight->trial->kind == QUESTION_BASELINE && flight_target(flight)->baseline != NULL;
}

void flight_note_time(const struct flight *flight, bool fine)
{
	if (!flight_is_known(flight) && !flight_is_advice(flight)) {
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

void flight_renew(struct flight *flight)
{
	const struct trial *trial = flight->trial;
	struct tuner *tuner = flight->run->tuner;

	flight_extend(flight, trial->ttl_ms);
	workers_works(&tuner->workers, flight_target(flight)->pool, trial->worker,
		      io_mono_ms(tuner->io) + trial->ttl_ms);
}

bool flight_hand_over(struct flight *flight)
{
	const struct trial *trial = flight->trial;
	int64_t left_ms = flight->expires_at - io_wall_ms(flight->run->io);

	if (trial->ttl_ms - left_ms >= LATE_MS) {
		flight_renew(flight);
		return true;
	}
	left_ms = left_ms < trial->ttl_ms ? left_ms
					  : trial->ttl_ms; /* somebody may have set the clock */
	io_timer_start(flight->run->io, &flight->timer, (uint64_t)left_ms);
	return false;
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
}
