/* Begins and ends the tuner, and the jobs that are submitted to it. */
#include "tuner/tuner.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "tuner/held.h"
#include "job/import.h"
#include "tuner/health.h"
#include "tuner/launch.h"
#include "tuner/poll.h"
#include "tuner/reload.h"
#include "tuner/run.h"
#include "tuner/stop.h"
#include "tuner/turn.h"
#include "tuner/unread.h"
#include "job/spec/spec_adviser.h"

static void init_stats(struct tuner_stats *stats)
{
	for (int pooled = 0; pooled < 2; pooled++) {
		stats->answer_time[pooled][0].ladder = HISTOGRAM_LONG;
		stats->answer_time[pooled][1].ladder = HISTOGRAM_LONG;
	}
}

static const struct tuner_up up = {turn_take,     launch_send, reload_later,
				   reload_is_due, reload_more, poll_serve};

struct tuner *tuner_create(const struct tuner_options *options)
{
	struct tuner *tuner = mem_new(1, sizeof(*tuner));

	tuner->options = *options;
	tuner->io = options->io;
	tuner->up = &up;
	tuner->callback_url = mem_dup(options->callback_url);
	sched_init(&tuner->sched, &tuner->io->clock);
	quota_init(&tuner->quota, &options->quota, &tuner->io->clock);
	map_init(&tuner->runs);
	map_init(&tuner->leases);
	map_init(&tuner->pools);
	map_init(&tuner->held);
	workers_init(&tuner->workers, &tuner->io->clock);
	init_stats(&tuner->stats);
	reload_init(tuner);
	health_init(tuner);
	return tuner;
}

void tuner_set_quota(struct tuner *tuner, const struct quota_limits *limits)
{
	tuner->quota.limits = *limits;
}

void tuner_destroy(struct tuner *tuner)
{
	if (tuner == NULL) {
		return;
	}
	reload_finish(tuner);
	held_finish(tuner);
	sched_finish(&tuner->sched);
	quota_finish(&tuner->quota);
	map_finish(&tuner->runs);
	map_finish(&tuner->leases);
	map_finish(&tuner->pools);
	workers_finish(&tuner->workers);
	free(tuner->callback_url);
	free(tuner);
}

int64_t tuner_version(const struct tuner *tuner, const char *job)
{
	const struct run *run = run_find(tuner, job);

	return run != NULL ? run->durable : -1;
}

bool tuner_is_unread(const struct tuner *tuner, const char *job)
{
	return !tuner->stopping &&
	       (job != NULL ? unread_find(tuner, job) != NULL : tuner->unread.count > 0);
}

bool tuner_is_away(const struct tuner *tuner, const char *job)
{
	return tuner_is_unread(tuner, job) || reload_is_due(tuner, job);
}

void tuner_stats(const struct tuner *tuner, struct tuner_stats *ret)
{
	*ret = tuner->stats;
	ret->open_jobs = tuner->runs.count;
	for (size_t i = 0; i < tuner->unread.capacity; i++) {
		const char *job = tuner->unread.slots[i].key;

		ret->open_jobs += job != NULL && run_find(tuner, job) == NULL;
	}
	ret->unread_jobs = tuner->unread.count;
	ret->waiting = tuner->sched.waiting;
	ret->evaluators_down = tuner->sched.down;
}

static struct run *any_run(const struct tuner *tuner)
{
	for (size_t i = 0; i < tuner->runs.capacity; i++) {
		if (tuner->runs.slots[i].key != NULL) {
			return (struct run *)tuner->runs.slots[i].value; /* NOLINT */
		}
	}
	return NULL;
}

static void close_runs(struct tuner *tuner)
{
	struct run *run;

	while ((run = any_run(tuner)) != NULL) {
		run_flush(run, NULL, NULL, NULL);
		run_close(run);
	}
}

static void on_stop_timer(void *arg)
{
	struct tuner *tuner = arg;

	close_runs(tuner);
	stop_check(tuner);
}

void tuner_stop(struct tuner *tuner, uint64_t deadline_ms, loop_fn done, void *arg)
{
	tuner->stopping = true;
	for (size_t i = 0; i < tuner->runs.capacity; i++) {
		if (tuner->runs.slots[i].key != NULL) {
			struct run *run = (struct run *)tuner->runs.slots[i].value; /* NOLINT */

			atomic_store(&run->hurry, true);
		}
	}
	tuner->stopped = done;
	tuner->stopped_arg = arg;
	io_timer_init(tuner->io, &tuner->stop_timer, on_stop_timer, tuner);
	io_timer_start(tuner->io, &tuner->stop_timer, deadline_ms);
	poll_stop_all(tuner);
	reload_stop(tuner);
	stop_check(tuner);
}

int tuner_may_submit(struct tuner *tuner, const char *owner, size_t bytes, bool dry,
		     struct err *reterr)
{
	return quota_submit(&tuner->quota, owner, (int64_t)bytes, dry, reterr);
}

int tuner_may_keep(struct tuner *tuner, const char *owner, size_t bytes, struct err *reterr)
{
	return quota_may_grow(&tuner->quota, owner, (int64_t)bytes, reterr);
}

struct submission {
	struct tuner *tuner;
	struct job *job;
	struct prepared *prepared;
	struct store_key *key; /* or NULL */
	struct log_event *events;
	size_t event_count;
	struct loop_job work;
	char id[ID_SIZE];
	char owner[LIMIT_OWNER_BYTES + 1];
	int64_t bytes;
	tuner_done_fn done;
	void *arg;
};

static void on_inserted(void *arg, int rc, const struct err *err)
{
	struct submission *s = arg;

	if (rc == 0 && !s->tuner->stopping) {
		run_wake(run_create(s->tuner, s->job, s->owner, s->bytes));
		log_line(LOG_INFO, "job begins", LOG_TEXT("job", s->job->id),
			 LOG_TEXT("strategy", s->job->spec->strategy->name),
			 LOG_INT("operators", (int64_t)s->job->spec->space->member_count));
	} else {
		quota_close(&s->tuner->quota, s->owner, s->bytes);
		job_destroy(s->job);
	}
	s->done(s->arg, rc, err);
	free(s);
}

/* The job and its first events, with all that is known from before; by a pool thread when that is something. */
static void make_job(void *arg)
{
	struct submission *s = arg;
	struct import history;
	json_t *submitted;

	s->job = job_create(s->id, s->prepared->spec, &s->tuner->io->clock);
	s->prepared->spec = NULL;
	submitted = job_submitted_data(s->job);
	if (s->prepared->warm_baseline != NULL) {
		(void)json_object_set(submitted, "warm_baseline", s->prepared->warm_baseline);
	}
	job_record(s->job, LOGGED_JOB_SUBMITTED, -1, submitted);
	import_copy(s->job->spec, s->prepared->history, &history);
	import_record(s->job, &history);
	import_finish(&history);
	json_decref(s->prepared->history);
	s->prepared->history = NULL;
	s->event_count = s->job->row_count;
	s->events = run_events(s->job);
	job_rows_clear(s->job);
}

static void insert_job(struct submission *s)
{
	const struct prepared *p = s->prepared;
	const struct store_job job = {
		.id = s->id,
		.spec = p->spec_text,
		.capability = p->capability_text,
		.head = p->head_text,
		.evaluator = p->evaluator_text,
		.matched = p->matched_text,
		.owner = s->owner,
	};
	struct prepared *prepared = s->prepared;
	struct store_key *key = s->key;

	s->tuner->io->insert(s->tuner->io->world, &job, s->events, s->event_count, key, on_inserted,
			     s);
	store_key_free(key);
	prepared_destroy(prepared);
}

static void after_making(void *arg)
{
	struct submission *s = arg;
	struct tuner *tuner = s->tuner;

	insert_job(s);
	tuner->alive--;
	stop_check(tuner);
}

void tuner_submit(struct tuner *tuner, struct prepared *prepared, const struct store_key *key,
		  const char *id, tuner_done_fn done, void *arg)
{
	struct submission *s = mem_new(1, sizeof(*s));

	(void)snprintf(s->id, sizeof(s->id), "%s", id);
	(void)snprintf(s->owner, sizeof(s->owner), "%s", prepared->owner);
	s->bytes = (int64_t)(strlen(prepared->spec_text) + strlen(prepared->capability_text));
	quota_open(&tuner->quota, s->owner, s->bytes);
	s->tuner = tuner;
	s->prepared = prepared;
	s->key = store_key_copy(key);
	s->done = done;
	s->arg = arg;
	if (json_array_size(prepared->history) > 0) {
		tuner->alive++; /* it does not stop before */
		io_work(tuner->io, &s->work, make_job, after_making, s);
	} else {
		make_job(s);
		insert_job(s);
	}
}
