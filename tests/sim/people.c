/* Who uses the daemon: clients that submit jobs and change them, and workers that come for questions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/judge.h"
#include "tests/sim/world.h"

enum { JOBS_MAX = 3, WORKERS_MAX = 4, SUBMIT_AGAIN_MS = 60000, TTL_MS = 60000 };

struct client {
	struct people *people;
	json_t *body; /* owned */
	char id[ID_SIZE];
	bool submitted; /* it was told so */
	size_t asked;
};

struct worker_here {
	struct people *people;
	char name[32];
	struct poll *poll;
	uint32_t polls_in; /* the daemon's life that it asked */
	size_t busy;
	bool gone;
};

struct people {
	struct world *world;
	struct client clients[JOBS_MAX];
	struct worker_here workers[WORKERS_MAX];
	size_t client_count, worker_count;
};

/* A question that a worker has. */
struct errand {
	struct worker_here *worker;
	json_t *document; /* owned */
	char lease[ID_SIZE];
	int64_t ttl_ms, done_at_ms;
	bool go_on, heard;
	int tries;
	int64_t expires_at_ms, promised_ms; /* of the wall clock, and the same by the other one */
	json_t *answer;                     /* owned */
};

static void on_submitted(void *arg, int rc, const struct err *err)
{
	struct client *client = arg;
	struct world *world = client->people->world;

	tell(world, "%s: submitted: %s", client->id, rc == 0 ? "201" : err->message);
	if (rc == 0) {
		client->submitted = true;
		judge_submitted(world->judge, client->id);
	}
}

static void on_prepared(void *arg, struct prepared *prepared, const struct err *err)
{
	struct client *client = arg;
	struct world *world = client->people->world;

	if (prepared == NULL) {
		broken(world, "a job is refused: %s: %s %s", err->message,
		       err->fault_count > 0 ? err->faults[0].pointer : "",
		       err->fault_count > 0 ? err->faults[0].detail : "");
	}
	world->io.make_id(world, client->id, "job_");
	tuner_submit(world->tuner, prepared, NULL, client->id, on_submitted, client);
}

/* As long as nobody says 201 the client does not know, and tries again. */
static void submit(void *arg)
{
	struct client *client = arg;
	struct world *world = client->people->world;
	const struct prepare_request request = {.body = client->body, .owner = "local"};

	if (client->submitted) {
		return;
	}
	if (world->tuner != NULL && !world->stopping) {
		client->asked++;
		(void)tuner_prepare(world->tuner, &request, on_prepared, client);
	}
	plan(world, SUBMIT_AGAIN_MS, submit, client);
}

bool people_are_done(const struct people *people)
{
	for (size_t i = 0; i < people->client_count; i++) {
		if (!people->clients[i].submitted) {
			return false;
		}
	}
	return true;
}

/* What clients do to jobs. */

static const char *any_job(struct world *world)
{
	size_t count = 0;

	while (judge_job(world->judge, count) != NULL) {
		count++;
	}
	return count > 0 ? judge_job(world->judge, (size_t)draw(world, count)) : NULL;
}

struct wish {
	struct world *world;
	char job[ID_SIZE];
};

static void on_cancelled(void *arg, int rc, const struct err *err)
{
	struct wish *wish = arg;

	(void)err;
	if (rc == 0) {
		judge_cancelled(wish->world->judge, wish->job);
	}
	free(wish);
}

static void on_done(void *arg, int rc, const struct err *err)
{
	(void)arg;
	(void)rc;
	(void)err;
}

static void do_something(struct world *world, const char *job)
{
	struct tuner *tuner = world->tuner;
	int64_t trial = draw_in(world, 0, judge_trials(world->judge, job));
	const struct tuner_trials one = {&trial, 1};
	struct wish *wish;
	json_t *edits;

	switch (draw(world, 10)) {
	case 0:
		if (draw(world, 8) == 0) {
			wish = mem_new(1, sizeof(*wish));
			wish->world = world;
			(void)snprintf(wish->job, sizeof(wish->job), "%s", job);
			tuner_control(tuner, job, TUNER_CANCEL, NULL, on_cancelled, wish);
		}
		return;
	case 1:
	case 2:
		tuner_control(tuner, job, TUNER_PAUSE, NULL, on_done, NULL);
		return;
	case 3:
	case 4:
		tuner_retry(tuner, job, draw(world, 3) == 0 ? NULL : &one, NULL, on_done, NULL);
		return;
	case 5:
		tuner_give_up(tuner, job, trial, NULL, on_done, NULL);
		return;
	case 6:
		tuner_exclude(tuner, job, &one, "measured wrongly", NULL, on_done, NULL);
		return;
	case 7:
		tuner_exclude(tuner, job, &one, NULL, NULL, on_done, NULL);
		return;
	default:
		edits = json_pack("{s:I, s:I}", "parallel", (json_int_t)draw_in(world, 1, 4),
				  "max_trials", (json_int_t)draw_in(world, 1, 25));
		tuner_edit(tuner, job, -1, edits, false, on_done, NULL);
		json_decref(edits);
		return;
	}
}

static void meddle(void *arg)
{
	struct people *people = arg;
	struct world *world = people->world;
	const char *job = any_job(world);

	if (job != NULL && world->tuner != NULL && goes_wrong(world, FAULT_CLIENT, 1)) {
		tell(world, "a client does something to %s", job);
		do_something(world, job);
	}
	plan(world, draw_in(world, 1000, 60000), meddle, people);
}

/* Somebody sees to what is paused, sooner or later. */
static void look_after(void *arg)
{
	struct people *people = arg;
	struct world *world = people->world;
	const char *job;

	for (size_t i = 0; (job = judge_job(world->judge, i)) != NULL; i++) {
		if (world->tuner != NULL && judge_state(world->judge, job) == JOB_PAUSED) {
			tell(world, "%s is to go on", job);
			tuner_control(world->tuner, job, TUNER_RESUME, NULL, on_done, NULL);
		}
	}
	plan(world, draw_in(world, 10000, 120000), look_after, people);
}

/* Workers. */

static void on_beat(void *arg, int rc, const struct err *err)
{
	const struct errand *errand = arg;
	struct world *world = errand->worker->people->world;

	(void)err;
	if (rc == 0 && errand->go_on) {
		judge_promised(world->judge, errand->lease, errand->promised_ms);
	}
}

static void on_answered(void *arg, int rc, const struct err *err)
{
	struct errand *errand = arg;
	struct world *world = errand->worker->people->world;

	tell(world, "%s: lease %s: %s", errand->worker->name, errand->lease,
	     rc == 0 ? "counts" : err->message);
	errand->heard = true;
	if (rc == 0) {
		judge_counts(world->judge, errand->lease);
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
	struct world *world = errand->worker->people->world;

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
	struct world *world = errand->worker->people->world;
	json_t *why = json_pack("{s:s}", "reason", draw(world, 2) == 0 ? "stopping" : "cannot");

	if (world->tuner != NULL) {
		tuner_lease_return(world->tuner, errand->lease, why, NULL, on_returned, NULL);
	}
	json_decref(why);
}

static void finish(struct errand *errand)
{
	struct world *world = errand->worker->people->world;
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

static void work_on(void *arg)
{
	struct errand *errand = arg;
	struct world *world = errand->worker->people->world;
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
		tuner_lease_heartbeat(world->tuner, errand->lease, NULL, &errand->go_on,
				      &errand->expires_at_ms, on_beat, errand);
		errand->promised_ms = errand->expires_at_ms - world->wall_offset_ms;
	}
	plan(world, left < errand->ttl_ms / 3 ? left : errand->ttl_ms / 3, work_on, errand);
}

static void begin(struct worker_here *worker, json_t *document)
{
	struct world *world = worker->people->world;
	struct errand *errand = mem_new(1, sizeof(*errand));

	judge_asked(world->judge, document, NULL);
	errand->worker = worker;
	errand->document = json_incref(document);
	errand->ttl_ms = TTL_MS;
	errand->go_on = true;
	errand->done_at_ms = world->mono_ms + draw_in(world, 10, 90000);
	(void)snprintf(errand->lease, sizeof(errand->lease), "%s",
		       json_string_value(json_object_get(document, "lease")));
	worker->busy++;
	plan(world, 0, work_on, errand);
}

static bool on_leases(void *arg, json_t *items, const struct err *err)
{
	struct worker_here *worker = arg;
	struct world *world = worker->people->world;
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
	struct world *world = worker->people->world;
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

struct people *people_create(struct world *world)
{
	struct people *people = mem_new(1, sizeof(*people));

	people->world = world;
	people->client_count = (size_t)draw_in(world, 1, JOBS_MAX);
	people->worker_count = draw(world, 2) == 0 ? (size_t)draw_in(world, 1, WORKERS_MAX) : 0;
	for (size_t i = 0; i < people->worker_count; i++) {
		struct worker_here *worker = &people->workers[i];

		worker->people = people;
		(void)snprintf(worker->name, sizeof(worker->name), "worker-%zu", i);
		plan(world, draw_in(world, 0, 5000), come, worker);
	}
	for (size_t i = 0; i < people->client_count; i++) {
		struct client *client = &people->clients[i];

		client->people = people;
		client->body = body_make(world, people->worker_count > 0);
		plan(world, draw_in(world, 0, 60000), submit, client);
	}
	plan(world, 1000, meddle, people);
	plan(world, 1000, look_after, people);
	return people;
}

void people_destroy(struct people *people)
{
	for (size_t i = 0; i < people->client_count; i++) {
		json_decref(people->clients[i].body);
	}
	free(people);
}
