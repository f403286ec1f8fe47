/* Workers: they come for questions, measure, and die, are late or err as the world has it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tests/sim/judge.h"
#include "tests/sim/world.h"

enum { WORKERS_MAX = 4, TTL_MS = 60000, SAMPLES = 100000 };

struct worker_here {
	struct world *world;
	char name[32];
	struct poll *poll;
	uint32_t polls_in; /* the daemon's life that it asked */
	size_t busy;
};

struct workers_here {
	struct worker_here all[WORKERS_MAX];
	size_t count;
};

/* A question that a worker has. */
struct errand {
	struct worker_here *worker;
	json_t *document; /* owned */
	char lease[ID_SIZE];
	int64_t ttl_ms, begun_at_ms, done_at_ms;
	bool go_on, heard;
	int tries;
	int64_t expires_at_ms, promised_ms; /* of the wall clock, and the same by the other one */
	json_t *answer;                     /* owned */
};

static void on_beat(void *arg, int rc, const struct err *err)
{
	const struct errand *errand = arg;
	struct world *world = errand->worker->world;

	(void)err;
	if (rc == 0 && errand->go_on) {
		judge_promised(world->judge, errand->lease, errand->promised_ms);
	} else if (rc == 0) {
		judge_needless(world->judge, errand->lease);
	} else if (rc == -(int)ERR_GONE) {
		judge_gone(world->judge, errand->lease);
	}
}

static void on_answered(void *arg, int rc, const struct err *err)
{
	struct errand *errand = arg;
	struct world *world = errand->worker->world;

	tell(world, "%s: lease %s: %s", errand->worker->name, errand->lease,
	     rc == 0 ? "counts" : err->message);
	errand->heard = rc != -(int)ERR_OVERLOADED && rc != -(int)ERR_DRAINING;
	if (rc == 0) {
		judge_counts(world->judge, errand->lease);
	} else if (rc == -(int)ERR_GONE) {
		judge_gone(world->judge, errand->lease);
	}
}

static void on_returned(void *arg, int rc, const struct err *err)
{
	(void)arg;
	(void)rc;
	(void)err;
}

static json_t *bad_answer(struct world *world)
{
	static const char *const texts[] = {
		"{}", "{\"accuracy\": \"high\"}", "{\"accuracy\": 0.9, \"latency_ms\": -3}",
		"{\"accuracy\": 0.9, \"latency_ms\": 9, \"trial\": 77}"};

	return json_loads(texts[draw(world, 4)], 0, NULL);
}

/* Until somebody says that it counts, or that it does not. */
static void hand_in(void *arg)
{
	struct errand *errand = arg;
	struct world *world = errand->worker->world;

	if (errand->heard || errand->tries >= 6) {
		return;
	}
	errand->tries++;
	if (world->tuner != NULL) {
		tuner_lease_complete(world->tuner, errand->lease, errand->answer, NULL, on_answered,
				     errand);
	}
	plan(world, draw_in(world, 1000, 30000), hand_in, errand);
}

static void give_back(struct errand *errand)
{
	struct world *world = errand->worker->world;
	json_t *why = json_pack("{s:s}", "reason", draw(world, 2) == 0 ? "stopping" : "cannot");

	if (world->tuner != NULL) {
		tuner_lease_return(world->tuner, errand->lease, why, NULL, on_returned, NULL);
	}
	json_decref(why);
}

static void finish(struct errand *errand)
{
	struct world *world = errand->worker->world;
	bool bad = goes_wrong(world, FAULT_WORKER_BAD, 0.2);

	errand->worker->busy--;
	if (goes_wrong(world, FAULT_WORKER_BACK, 0.3)) {
		give_back(errand);
		return;
	}
	if (bad && world->tuner != NULL) {
		json_t *answer = bad_answer(world);

		tuner_lease_complete(world->tuner, errand->lease, answer, NULL, on_returned, NULL);
		json_decref(answer);
	}
	errand->answer = net_measure(world, errand->document);
	plan(world, goes_wrong(world, FAULT_WORKER_LATE, 0.3) ? draw_in(world, 0, 200000) : 0,
	     hand_in, errand);
}

/* How far a measurement is: of its samples so many, of which so many were right. New reference, or NULL when it says
 * nothing. */
static json_t *progress(const struct errand *errand)
{
	struct world *world = errand->worker->world;
	int64_t whole = errand->done_at_ms - errand->begun_at_ms;
	int64_t seen = SAMPLES * (world->mono_ms - errand->begun_at_ms) / whole;
	json_t *answer, *body = NULL;
	const json_t *accuracy;

	if (!world->has[FAULT_EARLY] || seen == 0) {
		return NULL;
	}
	answer = net_measure(world, errand->document);
	accuracy = json_object_get(answer, "accuracy");
	if (json_is_real(accuracy)) {
		body = json_pack("{s:{s:I, s:I, s:I}}", "progress", "seen", (json_int_t)seen,
				 "total", (json_int_t)SAMPLES, "correct",
				 (json_int_t)(json_real_value(accuracy) * (double)seen));
	}
	json_decref(answer);
	return body;
}

static void beat(struct errand *errand)
{
	struct world *world = errand->worker->world;
	json_t *body = progress(errand);

	tuner_lease_heartbeat(world->tuner, errand->lease, body, &errand->go_on,
			      &errand->expires_at_ms, on_beat, errand);
	errand->promised_ms = errand->expires_at_ms - world->wall_offset_ms;
	json_decref(body);
}

static void work_on(void *arg)
{
	struct errand *errand = arg;
	struct world *world = errand->worker->world;
	int64_t left = errand->done_at_ms - world->mono_ms;

	if (left <= 0 || !errand->go_on) {
		finish(errand);
		return;
	}
	if (goes_wrong(world, FAULT_WORKER_DIES, 0.1)) {
		errand->worker->busy--;
		tell(world, "%s is never heard of again", errand->worker->name);
		return;
	}
	if (world->tuner != NULL) {
		beat(errand);
	}
	plan(world, left < errand->ttl_ms / 3 ? left : errand->ttl_ms / 3, work_on, errand);
}

static void begin(struct worker_here *worker, json_t *document)
{
	struct world *world = worker->world;
	struct errand *errand = mem_new(1, sizeof(*errand));

	judge_asked(world->judge, document, NULL);
	errand->worker = worker;
	errand->document = json_incref(document);
	errand->ttl_ms = TTL_MS;
	errand->go_on = true;
	errand->begun_at_ms = world->mono_ms;
	errand->done_at_ms = world->mono_ms + draw_in(world, 10, 90000);
	(void)snprintf(errand->lease, sizeof(errand->lease), "%s",
		       json_string_value(json_object_get(document, "lease")));
	worker->busy++;
	plan(world, 0, work_on, errand);
}

static bool on_leases(void *arg, json_t *items, const struct err *err)
{
	struct worker_here *worker = arg;
	struct world *world = worker->world;
	size_t i;
	json_t *item;

	(void)err;
	worker->poll = NULL;
	if (json_array_size(items) > 0 && goes_wrong(world, FAULT_WORKER_DIES, 0.1)) {
		return false; /* not there any more */
	}
	json_array_foreach(items, i, item) {
		begin(worker, item);
	}
	return true;
}

static void come(void *arg)
{
	struct worker_here *worker = arg;
	struct world *world = worker->world;
	const struct lease_request request = {
		.pool = "gpus",
		.worker = worker->name,
		.owner = "local",
		.every_owner = true,
		.max = draw_in(world, 1, 2),
		.wait_ms = (uint64_t)draw_in(world, 0, 20000),
		.ttl_ms = TTL_MS,
	};
	bool waits = worker->poll != NULL && worker->polls_in == world->life;

	if (world->tuner != NULL && !waits && worker->busy == 0) {
		worker->polls_in = world->life;
		worker->poll = tuner_lease_poll(world->tuner, &request, on_leases, worker);
	} else if (world->tuner != NULL && waits && goes_wrong(world, FAULT_WORKER_DIES, 0.1)) {
		tuner_lease_poll_cancel(worker->poll);
		worker->poll = NULL;
	}
	plan(world, draw_in(world, 500, 5000), come, worker);
}

struct workers_here *workers_here_create(struct world *world)
{
	struct workers_here *workers = mem_new(1, sizeof(*workers));

	workers->count = draw(world, 2) == 0 ? (size_t)draw_in(world, 1, WORKERS_MAX) : 0;
	for (size_t i = 0; i < workers->count; i++) {
		struct worker_here *worker = &workers->all[i];

		worker->world = world;
		(void)snprintf(worker->name, sizeof(worker->name), "worker-%zu", i);
		plan(world, draw_in(world, 0, 5000), come, worker);
	}
	return workers;
}

void workers_here_destroy(struct workers_here *workers)
{
	free(workers);
}

size_t workers_here_count(const struct workers_here *workers)
{
	return workers->count;
}
