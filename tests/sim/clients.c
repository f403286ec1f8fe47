/* Clients: they submit jobs and do things to them, each under a key of its own, until somebody says how it went. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tests/sim/judge.h"
#include "tests/sim/world.h"

enum { JOBS_MAX = 3, SUBMIT_AGAIN_MS = 60000, IMPORTED_MAX = 4, KEY_SIZE = 32 };

struct client {
	struct world *world;
	json_t *body; /* owned */
	char id[ID_SIZE], key[KEY_SIZE];
	const struct client *source; /* whose job this one starts warm from; or NULL */
	uint32_t asks_in;            /* the daemon's life in which its request runs; 0: none does */
	bool submitted;              /* it knows */
};

struct clients {
	struct world *world;
	struct client all[JOBS_MAX];
	size_t count;
};

static struct store_key key_of(const char *key)
{
	return (struct store_key){
		.scope = "local", .key = key, .fingerprint = "0", .status = 200, .at_ms = 1};
}

/* What was done is on disk together with the key under which it was asked, and what was not has left none. */
static void hold_to_its_key(struct world *world, const char *key, int rc, const char *what)
{
	if (disk_has_key(world->disk, key) != (rc == 0)) {
		broken(world, "%s: %s, and its key is %s", what,
		       rc == 0 ? "was done" : "was not done", rc == 0 ? "not on disk" : "on disk");
	}
}

/* Submitting. */

static void is_submitted(struct client *client)
{
	client->submitted = true;
	judge_submitted(client->world->judge, client->id);
}

static void on_submitted(void *arg, int rc, const struct err *err)
{
	struct client *client = arg;

	tell(client->world, "%s: submitted: %s", client->id, rc == 0 ? "201" : err->message);
	hold_to_its_key(client->world, client->key, rc, client->id);
	client->asks_in = 0;
	if (rc == 0) {
		is_submitted(client);
	}
}

static void on_prepared(void *arg, struct prepared *prepared, const struct err *err)
{
	struct client *client = arg;
	struct world *world = client->world;
	const struct store_key key = key_of(client->key);

	if (prepared == NULL) {
		broken(world, "a job is refused: %s: %s %s", err->message,
		       err->fault_count > 0 ? err->faults[0].pointer : "",
		       err->fault_count > 0 ? err->faults[0].detail : "");
	}
	world->io.make_id(world, client->id, "job_");
	tuner_submit(world->tuner, prepared, &key, client->id, on_submitted, client);
}

static void ask_for(struct client *client)
{
	const struct prepare_request request = {.body = client->body, .owner = "local"};

	if (client->source != NULL && client->source->submitted) {
		(void)json_object_set_new(client->body, "warm_start",
					  json_pack("{s:s}", "job", client->source->id));
	}
	client->asks_in = client->world->life;
	(void)tuner_prepare(client->world->tuner, &request, on_prepared, client);
}

/* As long as nobody says 201 the client does not know, and tries again under the same key: one that is on disk is the
 * answer. */
static void submit(void *arg)
{
	struct client *client = arg;
	struct world *world = client->world;

	if (client->submitted) {
		return;
	}
	if (world->tuner != NULL && !world->stopping && client->asks_in != world->life) {
		if (disk_has_key(world->disk, client->key)) {
			is_submitted(client);
			return;
		}
		ask_for(client);
	}
	plan(world, SUBMIT_AGAIN_MS, submit, client);
}

bool clients_are_done(const struct clients *clients)
{
	for (size_t i = 0; i < clients->count; i++) {
		if (!clients->all[i].submitted) {
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

/* Something that a client wants done; what the daemon is lent lives as long as the daemon may look at it. */
struct wish {
	struct world *world;
	char job[ID_SIZE], key[KEY_SIZE];
	struct store_key kept;
	bool cancels;
	bool of_job;     /* and of nothing in it */
	json_t *receipt; /* of what was made elsewhere */
};

static struct wish *make_wish(struct world *world, const char *job)
{
	struct wish *wish = mem_new(1, sizeof(*wish));

	wish->world = world;
	(void)snprintf(wish->job, sizeof(wish->job), "%s", job);
	world->io.make_id(world, wish->key, "key_");
	wish->kept = key_of(wish->key);
	return wish;
}

static void on_done(void *arg, int rc, const struct err *err)
{
	struct wish *wish = arg;

	tell(wish->world, "%s: %s", wish->job + ID_SIZE - 7, rc == 0 ? "done" : err->message);
	hold_to_its_key(wish->world, wish->key, rc, wish->job);
	if (rc == -(int)ERR_NOT_FOUND && wish->of_job &&
	    judge_trials(wish->world->judge, wish->job) > 0 &&
	    !job_state_is_final(judge_state(wish->world->judge, wish->job))) {
		broken(wish->world, "%s is said not to be open, and the disk says that it is",
		       wish->job);
	}
	if (rc == 0 && wish->cancels) {
		judge_cancelled(wish->world->judge, wish->job);
	}
	if (json_object_get(wish->receipt, "imported") != NULL && rc == 0) {
		judge_imported(wish->world->judge, wish->job,
			       json_integer_value(json_object_get(wish->receipt, "first")),
			       json_integer_value(json_object_get(wish->receipt, "imported")));
	}
	json_decref(wish->receipt);
	free(wish);
}

static void on_edited(void *arg, int rc, const struct err *err)
{
	(void)arg;
	(void)rc;
	(void)err;
}

static void edit(struct world *world, const char *job)
{
	json_t *edits = json_pack("{s:I, s:I}", "parallel", (json_int_t)draw_in(world, 1, 4),
				  "max_trials", (json_int_t)draw_in(world, 1, 25));

	tuner_edit(world->tuner, job, -1, edits, false, on_edited, NULL);
	json_decref(edits);
}

/* A measurement made elsewhere: some operators in fp32, the others as in the default. New reference. */
static json_t *measured_elsewhere(struct world *world, const char *job)
{
	json_t *config = body_config(draw(world, BODY_CONFIGS), judge_operators(world->judge, job));
	json_t *question = json_pack("{s:s, s:O, s:O?}", "question", "evaluate", "config", config,
				     "evaluator_args", judge_args(world->judge, job));
	json_t *measured = net_measure(world, question);

	(void)json_object_set_new(measured, "config", config);
	json_decref(question);
	return measured;
}

static void import(struct world *world, const char *job)
{
	struct wish *wish = make_wish(world, job);
	json_t *list = json_array(), *body = json_pack("{s:o}", "trials", list);

	for (int64_t i = draw_in(world, 1, IMPORTED_MAX); i > 0; i--) {
		(void)json_array_append_new(list, measured_elsewhere(world, job));
	}
	tuner_import(world->tuner, job, body, &wish->kept, &wish->receipt, on_done, wish);
	json_decref(body);
}

/* What another tool makes of some operators; now and then of one that is not there. */
static void report(struct world *world, const char *job)
{
	struct wish *wish = make_wish(world, job);
	json_t *scores = json_object(), *body = json_pack("{s:o}", "scores", scores);
	int64_t count = judge_operators(world->judge, job) + (draw(world, 20) == 0);

	for (int64_t i = 0; i < count; i++) {
		char name[32];
		double score = draw_unit(world);

		(void)snprintf(name, sizeof(name), "op%lld", (long long)i);
		(void)json_object_set_new(scores, name,
					  draw(world, 4) == 0
						  ? json_pack("[{s:{s:s}, s:f}]", "when", "mode",
							      "static", "score", score)
						  : json_real(score));
	}
	tuner_tell_scores(world->tuner, job, body, &wish->kept, &wish->receipt, on_done, wish);
	json_decref(body);
}

static void do_something(struct world *world, const char *job)
{
	struct tuner *tuner = world->tuner;
	int64_t trial = draw_in(world, 0, judge_trials(world->judge, job));
	const struct tuner_trials one = {&trial, 1};
	uint64_t what = draw(world, 12);
	struct wish *wish;

	if (what == 0 && draw(world, 8) != 0) {
		return;
	}
	if (what >= 10) {
		edit(world, job);
		return;
	}
	if (what >= 8) {
		import(world, job);
		return;
	}
	wish = make_wish(world, job);
	wish->cancels = what == 0;
	wish->of_job = what <= 2;
	switch (what) {
	case 0:
		tuner_control(tuner, job, TUNER_CANCEL, &wish->kept, on_done, wish);
		return;
	case 1:
	case 2:
		tuner_control(tuner, job, TUNER_PAUSE, &wish->kept, on_done, wish);
		return;
	case 3:
	case 4:
		tuner_retry(tuner, job, draw(world, 3) == 0 ? NULL : &one, &wish->kept, on_done,
			    wish);
		return;
	case 5:
		tuner_give_up(tuner, job, trial, &wish->kept, on_done, wish);
		return;
	case 6:
		tuner_exclude(tuner, job, &one, "measured wrongly", &wish->kept, on_done, wish);
		return;
	default:
		tuner_exclude(tuner, job, &one, NULL, &wish->kept, on_done, wish);
		return;
	}
}

static void meddle(void *arg)
{
	struct world *world = arg;
	const char *job = any_job(world);

	if (job != NULL && world->tuner != NULL && goes_wrong(world, FAULT_CLIENT, 1)) {
		tell(world, "a client does something to %s", job);
		do_something(world, job);
	}
	if (job != NULL && world->tuner != NULL && world->reports && !world->healed &&
	    draw(world, 2) == 0) {
		report(world, job);
	}
	plan(world, draw_in(world, 1000, 60000), meddle, world);
}

/* Somebody sees to what is paused, sooner or later. */
static void look_after(void *arg)
{
	struct world *world = arg;
	const char *job;

	for (size_t i = 0; (job = judge_job(world->judge, i)) != NULL; i++) {
		if (world->tuner != NULL && judge_state(world->judge, job) == JOB_PAUSED) {
			struct wish *wish = make_wish(world, job);

			tell(world, "%s is to go on", job);
			tuner_control(world->tuner, job, TUNER_RESUME, &wish->kept, on_done, wish);
		}
	}
	plan(world, draw_in(world, 10000, 120000), look_after, world);
}

/* Some have the model of the one before them, and may start warm from its job. */
static void make_client(struct clients *clients, size_t place)
{
	struct world *world = clients->world;
	struct client *client = &clients->all[place];
	const struct client *before = place > 0 && draw(world, 3) == 0 ? client - 1 : NULL;

	client->world = world;
	client->source = before;
	client->body =
		body_make(world, workers_here_count(world->workers) > 0,
			  before != NULL ? json_object_get(before->body, "capability") : NULL);
	(void)snprintf(client->key, sizeof(client->key), "submission-%zu", place);
	plan(world, before != NULL ? draw_in(world, 0, 600000) : draw_in(world, 0, 60000), submit,
	     client);
}

struct clients *clients_create(struct world *world)
{
	struct clients *clients = mem_new(1, sizeof(*clients));

	clients->world = world;
	clients->count = (size_t)draw_in(world, 1, JOBS_MAX);
	for (size_t i = 0; i < clients->count; i++) {
		make_client(clients, i);
	}
	plan(world, 1000, meddle, world);
	plan(world, 1000, look_after, world);
	return clients;
}

void clients_destroy(struct clients *clients)
{
	for (size_t i = 0; i < clients->count; i++) {
		json_decref(clients->all[i].body);
	}
	free(clients);
}
