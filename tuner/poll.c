/* Workers that come for questions: they are served in the order in which they came. */
#include "tuner/poll.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/endgame.h"
#include "tuner/asking.h"
#include "tuner/flight.h"
#include "tuner/pool.h"
#include "tuner/run.h"

enum { UNREAD_MS = 10000, UNREAD_LOOK_MS = 50 };

/* One request of a worker, from its arrival until its leases are on disk. */
struct poll {
	struct list node;
	struct pool *pool; /* NULL once it waits no more */
	struct tuner *tuner;
	char worker[LIMIT_WORKER_BYTES + 1];
	char owner[LIMIT_OWNER_BYTES + 1]; /* whose jobs; "": everybody's */
	int64_t max, ttl_ms;
	int64_t came_ms; /* monotonic */
	struct loop_timer timer;
	tuner_leases_fn fn; /* NULL when nobody is there to hear */
	loop_fn over;       /* or NULL */
	void *arg;
	const struct store_key *key;
	char *(*text)(void *arg, const json_t *items);
	char (*leases)[ID_SIZE]; /* owned */
	size_t count, pending;   /* leases; writes on their way to the disk */
	json_t *items;           /* the questions; owned */
	struct err *err;         /* the first failure to store; owned, or NULL */
};

static void on_poll_closed(void *arg)
{
	struct poll *poll = arg;

	json_decref(poll->items);
	free(poll->err);
	free(poll->leases);
	free(poll);
}

static void stop_waiting(struct poll *poll)
{
	list_remove(&poll->node);
	pool_release(poll->pool);
	poll->pool = NULL;
	io_timer_stop(poll->tuner->io, &poll->timer);
}

static bool tell_worker(const struct poll *poll)
{
	struct err none ERR_UNCLEARED;

	if (poll->err != NULL) {
		(void)poll->fn(poll->arg, NULL, poll->err);
		return false;
	}
	err_init(&none);
	return poll->fn(poll->arg, poll->items, &none);
}

static void on_back(void *arg, int rc, const struct err *err)
{
	struct poll *poll = arg;

	(void)rc; /* what did not go back is in force */
	(void)err;
	if (--poll->pending > 0) {
		return;
	}
	if (poll->over != NULL) {
		poll->over(poll->arg);
	}
	io_timer_close(poll->tuner->io, &poll->timer, on_poll_closed);
}

/* Of a lease that its worker never heard of. */
static void take_back(struct poll *poll, struct flight *flight)
{
	struct run *run = flight->run;

	poll->pending++;
	flight_give_back(flight, json_object());
	run_flush(run, NULL, on_back, poll);
	run_wake(run);
}

/* The answer that is kept for a repetition was made when they were granted, and says that time. */
static void hand_over(struct poll *poll)
{
	for (size_t i = 0; i < poll->count; i++) {
		struct flight *flight = flight_of_lease(poll->tuner, poll->leases[i]);
		char expires[CLOCK_TEXT_SIZE];

		if (flight != NULL && flight_hand_over(flight)) {
			(void)json_object_set_new(
				json_array_get(poll->items, i), "expires_at",
				json_string(clock_format(flight->expires_at, expires)));
		}
	}
}

static void answer(struct poll *poll)
{
	bool heard;

	hand_over(poll);
	heard = poll->fn != NULL && tell_worker(poll);
	poll->pending = 1;
	for (size_t i = 0; i < poll->count && !heard; i++) {
		struct flight *flight = flight_of_lease(poll->tuner, poll->leases[i]);

		if (flight != NULL) {
			take_back(poll, flight);
		}
	}
	on_back(poll, 0, NULL);
}

static void on_granted(void *arg, int rc, const struct err *err)
{
	struct poll *poll = arg;

	if (rc != 0 && poll->err == NULL) {
		poll->err = mem_new(1, sizeof(*poll->err));
		*poll->err = *err;
	}
	if (--poll->pending == 0) {
		answer(poll);
	}
}

/* Whether the job's next question may go to this worker now. */
static bool may_take(void *arg, struct list *node)
{
	const struct poll *poll = arg;
	const struct run *run = list_entry(node, struct run, in_pool);
	const struct pool *pool = run->pool;
	const struct flight *next = list_entry(run->due.next, struct flight, due);
	bool kept = next->kept_until > io_mono_ms(pool->tuner->io);

	return (poll->owner[0] == '\0' || strcmp(poll->owner, run->owner) == 0) &&
	       workers_may(&pool->tuner->workers, pool->name, poll->worker, run->job->id) &&
	       (!kept || strcmp(endgame_worker(run->job, next->trial), poll->worker) == 0);
}

/* The first job that this worker may be asked of; NULL when there is none. */
static struct run *next_run(struct pool *pool, struct poll *poll)
{
	struct list *node = turns_next(&pool->runs, may_take, poll);

	return node != NULL ? list_entry(node, struct run, in_pool) : NULL;
}

/* Its next question; the job goes to the end of its owner's queue, and that one to the end of all. */
static struct flight *next_flight(struct pool *pool, struct run *run)
{
	struct flight *flight = list_entry(list_pop(&run->due), struct flight, due);

	list_remove(&run->in_pool);
	if (!list_empty(&run->due)) {
		turns_join(&pool->runs, run->owner, &run->in_pool);
	}
	turns_served(&pool->runs, run->owner);
	return flight;
}

static void grant(struct poll *poll, struct flight *flight)
{
	struct tuner *tuner = poll->tuner;

	flight_grant(flight, poll->worker, poll->ttl_ms);
	workers_works(&tuner->workers, flight_target(flight)->pool, poll->worker,
		      io_mono_ms(tuner->io) + poll->ttl_ms);
	poll->leases = mem_grow(poll->leases, poll->count + 1, sizeof(*poll->leases));
	memcpy(poll->leases[poll->count++], flight->trial->lease, ID_SIZE);
	(void)json_array_append_new(poll->items, asking_document(flight));
}

/* The key goes with the first: after a crash in between the kept answer names leases that are not on disk, of which a repetition
 * is not told, rather than that there are some of which nobody would ever be told. */
static void store_leases(struct poll *poll)
{
	struct store_key key = {0};
	char *text = NULL;

	if (poll->key != NULL) {
		text = poll->text(poll->arg, poll->items);
		key = *poll->key;
		key.body = text;
	}
	poll->pending = poll->count;
	for (size_t i = 0; i < poll->count; i++) {
		struct run *run = flight_of_lease(poll->tuner, poll->leases[i])->run;

		run_flush(run, i == 0 && poll->key != NULL ? &key : NULL, on_granted, poll);
	}
	free(text);
}

static void serve_one(struct pool *pool, struct poll *poll)
{
	struct run *run = next_run(pool, poll);

	stop_waiting(poll);
	for (int64_t i = 0; i < poll->max && run != NULL; i++) {
		grant(poll, next_flight(pool, run));
		run = next_run(pool, poll);
	}
	store_leases(poll);
}

/* The oldest that may be asked something; NULL when there is none. */
static struct poll *next_poll(struct pool *pool)
{
	for (struct list *n = pool->polls.next; n != &pool->polls; n = n->next) {
		struct poll *poll = list_entry(n, struct poll, node);

		if (next_run(pool, poll) != NULL) {
			return poll;
		}
	}
	return NULL;
}

static bool look_at_kept(void *arg, struct list *node)
{
	const struct run *run = list_entry(node, struct run, in_pool);
	const struct flight *next = list_entry(run->due.next, struct flight, due);
	int64_t *first = arg;

	if (next->kept_until > io_mono_ms(run->io) && next->kept_until < *first) {
		*first = next->kept_until;
	}
	return false;
}

/* Serves again when a question may be had by everybody. */
static void watch_kept(struct pool *pool)
{
	int64_t first = INT64_MAX;

	(void)turns_next(&pool->runs, look_at_kept, &first);
	if (first != INT64_MAX) {
		int64_t now = io_mono_ms(pool->tuner->io);

		io_timer_start(pool->tuner->io, &pool->kept,
			       first > now ? (uint64_t)(first - now) : 0);
	}
}

void poll_serve(struct pool *pool)
{
	struct poll *poll;

	while (turns_next(&pool->runs, NULL, NULL) != NULL && (poll = next_poll(pool)) != NULL) {
		serve_one(pool, poll);
	}
	if (!list_empty(&pool->polls)) {
		watch_kept(pool);
	}
}

/* That nothing is due can be said when all jobs of a start are read, or when that takes very long. */
static bool may_say_nothing(const struct poll *poll)
{
	return poll->tuner->of_start == 0 || poll->tuner->stopping ||
	       io_mono_ms(poll->tuner->io) - poll->came_ms >= UNREAD_MS;
}

static void on_poll_timer(void *arg)
{
	struct poll *poll = arg;

	if (poll->pool != NULL && !may_say_nothing(poll)) {
		io_timer_start(poll->tuner->io, &poll->timer, UNREAD_LOOK_MS);
	} else if (poll->pool != NULL) {
		stop_waiting(poll);
		answer(poll);
	}
}

struct poll *tuner_lease_poll(struct tuner *tuner, const struct lease_request *request,
			      tuner_leases_fn fn, void *arg)
{
	struct poll *poll = mem_new(1, sizeof(*poll));

	poll->tuner = tuner;
	poll->came_ms = io_mono_ms(tuner->io);
	poll->pool = pool_join(tuner, request->pool);
	poll->max = request->max;
	poll->key = request->key;
	poll->text = request->text;
	poll->items = json_array();
	poll->ttl_ms = request->ttl_ms > 0 ? request->ttl_ms : (int64_t)tuner->options.lease_ttl_ms;
	poll->fn = fn;
	poll->over = request->over;
	poll->arg = arg;
	(void)snprintf(poll->worker, sizeof(poll->worker), "%s", request->worker);
	(void)snprintf(poll->owner, sizeof(poll->owner), "%s",
		       request->every_owner ? "" : request->owner);
	workers_seen(&tuner->workers, request->pool, request->worker, request->owner);
	workers_serves(&tuner->workers, request->pool, request->worker, poll->owner);
	io_timer_init(tuner->io, &poll->timer, on_poll_timer, poll);
	io_timer_start(tuner->io, &poll->timer, tuner->stopping ? 0 : request->wait_ms);
	list_append(&poll->pool->polls, &poll->node);
	poll_serve(poll->pool);
	return poll;
}

void tuner_lease_poll_cancel(struct poll *poll)
{
	if (poll == NULL) {
		return;
	}
	poll->fn = NULL;
	poll->key = NULL;
	if (poll->pool != NULL) {
		stop_waiting(poll);
		answer(poll);
	}
}

static void add_leases_of(const struct run *run, json_t *by_name)
{
	const char *pool = run->job->spec->targets[0].pool;

	for (struct list *n = run->flights.next; n != &run->flights; n = n->next) {
		const struct flight *flight = list_entry(n, struct flight, node);
		const struct trial *trial = flight->trial;
		char key[LIMIT_POOL_BYTES + LIMIT_WORKER_BYTES + 2], expires[CLOCK_TEXT_SIZE];

		if (trial->state != TRIAL_LEASED || trial->worker == NULL) {
			continue;
		}
		(void)snprintf(key, sizeof(key), "%s/%s", pool, trial->worker);
		(void)json_array_append_new(json_object_get(by_name, key),
					    json_pack("{s:s, s:s, s:I, s:s}", "lease", trial->lease,
						      "job", run->job->id, "trial",
						      (json_int_t)trial->number, "expires_at",
						      clock_format(flight->expires_at, expires)));
	}
}

struct lease_list {
	const struct tuner *tuner;
	const char *owner; /* of the jobs; NULL: any */
};

static void add_leases(void *arg, json_t *by_name)
{
	const struct lease_list *wanted = arg;
	const struct tuner *tuner = wanted->tuner;

	for (size_t i = 0; i < tuner->runs.capacity; i++) {
		struct run *run = (struct run *)tuner->runs.slots[i].value; /* NOLINT */

		if (tuner->runs.slots[i].key != NULL && run->pool != NULL &&
		    (wanted->owner == NULL || strcmp(wanted->owner, run->owner) == 0)) {
			add_leases_of(run, by_name);
		}
	}
}

json_t *tuner_workers(struct tuner *tuner, const char *owner)
{
	struct lease_list wanted = {tuner, owner};

	return workers_json(&tuner->workers, owner, add_leases, &wanted);
}

void poll_stop_all(struct tuner *tuner)
{
	for (size_t i = 0; i < tuner->pools.capacity; i++) {
		struct pool *pool = (struct pool *)tuner->pools.slots[i].value; /* NOLINT */
		struct list *node;

		if (tuner->pools.slots[i].key == NULL) {
			continue;
		}
		while ((node = turns_next(&pool->runs, NULL, NULL)) != NULL) {
			list_remove(node);
		}
		for (node = pool->polls.next; node != &pool->polls; node = node->next) {
			io_timer_start(pool->tuner->io, &list_entry(node, struct poll, node)->timer,
				       0);
		}
	}
}
