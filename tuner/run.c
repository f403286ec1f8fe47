/* Keeps an open job together with what moves it, and hands what it records to the store. */
#include "tuner/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "job/active.h"
#include "job/next.h"
#include "tuner/flight.h"
#include "tuner/pool.h"
#include "tuner/stop.h"
#include "tuner/unread.h"
#include "tuner/watch.h"

struct completion {
	struct list node;
	tuner_done_fn done;
	void *arg;
};

/* What goes with one write to the store and is due when it is on disk. */
struct batch {
	struct run *run;
	int64_t version;
	struct list completions;
	struct send {
		int64_t trial;
		char lease[ID_SIZE];
	} *sends;
	size_t send_count;
};

void run_ref(struct run *run)
{
	run->refs++;
}

/* A job that is gone. Of many trials there is more to free than the loop has time for. */
struct leftover {
	struct loop_job work;
	struct job *job;
};

enum { MANY_TRIALS = 2000 };

static void free_leftover(void *arg)
{
	job_destroy(((struct leftover *)arg)->job);
}

void run_forget_job(const struct tuner_io *io, struct job *job)
{
	struct leftover *leftover;

	if (job->trial_count < MANY_TRIALS) {
		job_destroy(job);
		return;
	}
	leftover = mem_new(1, sizeof(*leftover));
	leftover->job = job;
	io_work(io, &leftover->work, free_leftover, free, leftover);
}

void run_unref(struct run *run)
{
	struct tuner *tuner = run->tuner;

	if (--run->refs > 0) {
		return;
	}
	sched_seat_finish(&run->seat);
	pool_release(run->pool);
	run_forget_job(run->io, run->job);
	free(run->failure);
	free(run);
	tuner->alive--;
	stop_check(tuner);
}

static void on_deadline(void *arg)
{
	struct run *run = arg;

	if (!run->closed && !job_state_is_final(run->job->state)) {
		job_time_out(run->job);
		run_follow(run);
		run_flush(run, NULL, NULL, NULL);
	}
}

static void on_seat(void *arg)
{
	run_wake(arg);
}

static void sit(struct run *run)
{
	const struct spec *spec = run->job->spec;
	struct sched_offer *offers = mem_new(spec->target_count, sizeof(*offers));

	if (spec->targets[0].pool != NULL) {
		run->pool = pool_join(run->tuner, spec->targets[0].pool);
	}
	for (size_t i = 0; i < spec->target_count; i++) {
		const struct target *t = &spec->targets[i];

		offers[i] = t->pool != NULL
				    ? (struct sched_offer){t->pool, SIZE_MAX}
				    : (struct sched_offer){t->url, (size_t)t->max_concurrency};
	}
	sched_seat_init(&run->tuner->sched, &run->seat, run->owner, offers, spec->target_count,
			on_seat, run);
	free(offers);
}

struct run *run_create(struct tuner *tuner, struct job *job, const char *owner, int64_t bytes)
{
	struct run *run = mem_new(1, sizeof(*run));

	run->tuner = tuner;
	run->io = tuner->io;
	run->job = job;
	run->bytes = bytes;
	(void)snprintf(run->owner, sizeof(run->owner), "%s", owner);
	run->refs = 1;
	run->state = job->state;
	run->durable = job->version;
	list_init(&run->flights);
	list_init(&run->in_pool);
	list_init(&run->due);
	list_init(&run->early);
	list_init(&run->watches);
	list_init(&run->completions);
	list_init(&run->task.node);
	spec_needs_init(&run->needs, job->spec);
	sit(run);
	io_timer_init(tuner->io, &run->deadline, on_deadline, run);
	map_set(&tuner->runs, job->id, (intptr_t)run);
	tuner->alive++;
	return run;
}

static void on_task(void *arg)
{
	struct run *run = arg;

	run->task_queued = false;
	if (!run->closed) {
		run->tuner->up->turn(run);
	}
}

void run_wake(struct run *run)
{
	if (!run->task_queued && !run->closed) {
		run->task_queued = true;
		io_defer(run->io, &run->task, on_task, run);
	}
}

static void on_deadline_closed(void *arg)
{
	run_unref(arg);
}

static void forget_lease(const struct run *run, const char *lease, const struct trial *trial)
{
	struct map *leases = &run->tuner->leases;

	/* Read again, the job may have others of the same names by now. */
	if (map_get(leases, lease, 0) == (intptr_t)trial) {
		map_remove(leases, lease);
	}
}

/* So many at a time, for the loop has other work; true when none is left. Who comes with one meanwhile finds no open
 * job behind it. */
static bool forget_some_leases(struct run *run)
{
	const struct job *job = run->job;
	int64_t left = job->trial_count - run->forgotten;
	int64_t end = run->forgotten + (left < MANY_TRIALS ? left : MANY_TRIALS);

	for (; run->forgotten < end; run->forgotten++) {
		const struct trial *trial = job->trials[run->forgotten];

		forget_lease(run, trial->lease, trial);
		for (size_t k = 0; k < trial->past_count; k++) {
			forget_lease(run, trial->past[k], trial);
		}
	}
	return run->forgotten == job->trial_count;
}

static void forget_more_leases(void *arg)
{
	struct run *run = arg;

	if (forget_some_leases(run)) {
		run_unref(run);
	} else {
		io_defer(run->io, &run->task, forget_more_leases, run);
	}
}

void run_grow(struct run *run, size_t bytes)
{
	run->bytes += (int64_t)bytes;
	quota_grow(&run->tuner->quota, run->owner, (int64_t)bytes);
}

void run_close(struct run *run)
{
	struct job *job = run->job;

	if (run->closed) {
		return;
	}
	run->closed = true;
	atomic_store(&run->hurry, true);
	map_remove(&run->tuner->runs, job->id);
	quota_close(&run->tuner->quota, run->owner, run->bytes);
	flight_end_all(run);
	sched_leave(&run->seat);
	list_remove(&run->early);
	io_cancel(run->io, &run->task);
	if (!forget_some_leases(run)) {
		run_ref(run);
		io_defer(run->io, &run->task, forget_more_leases, run);
	}
	watch_wake(&run->watches);
	io_timer_close(run->io, &run->deadline, on_deadline_closed);
}

/* Why it is paused or over, as the event says that is being stored: {"reason", "detail", "by"}. Borrowed. */
static const json_t *why_it_changed(const struct job *job)
{
	for (size_t i = job->row_count; i > 0; i--) {
		const struct row *row = &job->rows[i - 1];

		if (row->type == LOGGED_STATE_CHANGED) {
			return json_object_get(row->data,
					       job->state == JOB_PAUSED ? "pause" : "exit");
		}
	}
	return NULL;
}

static void log_change(const struct run *run)
{
	const json_t *why = why_it_changed(run->job);

	log_line(LOG_INFO, run->state == JOB_PAUSED ? "job paused" : "job ended",
		 LOG_TEXT("job", run->job->id),
		 LOG_TEXT("reason", json_string_value(json_object_get(why, "reason"))),
		 LOG_TEXT("detail", json_string_value(json_object_get(why, "detail"))),
		 LOG_TEXT("by", json_string_value(json_object_get(why, "by"))),
		 LOG_INT("trials", run->job->trial_count));
}

void run_follow(struct run *run)
{
	const struct job *job = run->job;
	int64_t left = job_left_ms(job);

	io_timer_stop(run->io, &run->deadline);
	if (left >= 0) {
		io_timer_start(run->io, &run->deadline, (uint64_t)left);
	}
	if (run->state == job->state) {
		return;
	}
	run->state = job->state;
	if (job_state_is_final(job->state)) {
		flight_end_all(run);
		sched_leave(&run->seat);
		log_change(run);
	} else if (job->state == JOB_PAUSED) {
		if (run->pool != NULL) {
			pool_leave(run);
		}
		log_change(run);
	}
}

static void complete_all(struct list *completions, int rc, const struct err *err)
{
	struct list *node;

	while ((node = list_pop(completions)) != NULL) {
		struct completion *completion = list_entry(node, struct completion, node);

		completion->done(completion->arg, rc, err);
		free(completion);
	}
}

static void on_stored(void *arg, int rc, const struct err *err)
{
	struct batch *batch = arg;
	struct run *run = batch->run;

	if (rc != 0 && !run->closed) {
		log_line(LOG_ERROR, "events were not stored", LOG_TEXT("job", run->job->id),
			 LOG_TEXT("error", err->message));
		run->failure = mem_new(1, sizeof(*run->failure));
		*run->failure = *err;
		run->tuner->up->lost(run->tuner, run->job->id);
		run_close(run);
	} else if (rc == -(int)ERR_CONFLICT && run->failure != NULL) {
		/* What came after a batch that failed does not fit for that reason alone. */
		rc = -(int)run->failure->code;
		err = run->failure;
	}
	if (rc == 0 && !run->closed) {
		run->durable = batch->version;
		for (size_t i = 0; i < batch->send_count; i++) {
			run->tuner->up->leased(run, batch->sends[i].trial, batch->sends[i].lease);
		}
		watch_wake(&run->watches);
		/* Its end may be in a later batch than this one. */
		if (job_state_is_final(run->job->state) && run->durable == run->job->version) {
			run_close(run);
		}
	}
	complete_all(&batch->completions, rc, err);
	free(batch->sends);
	free(batch);
	run_unref(run);
}

static void move_list(struct list *from, struct list *to)
{
	struct list *node;

	list_init(to);
	while ((node = list_pop(from)) != NULL) {
		list_append(to, node);
	}
}

static void note_send(struct batch *batch, const struct row *row)
{
	struct send *send;

	if (row->type != LOGGED_QUESTION_LEASED) {
		return;
	}
	batch->sends = mem_grow(batch->sends, batch->send_count + 1, sizeof(*batch->sends));
	send = &batch->sends[batch->send_count++];
	send->trial = row->trial;
	(void)snprintf(send->lease, sizeof(send->lease), "%s",
		       json_string_value(json_object_get(row->data, "lease")));
}

struct log_event *run_events(const struct job *job)
{
	struct log_event *events = mem_new(job->row_count, sizeof(*events));

	for (size_t i = 0; i < job->row_count; i++) {
		const struct row *row = &job->rows[i];

		events[i] = (struct log_event){row->type, row->at_ms, row->trial,
					       row->text != NULL ? mem_dup(row->text)
								 : json_text(row->data)};
	}
	return events;
}

void run_events_free(struct log_event *events, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free((char *)events[i].data);
	}
	free(events);
}

void run_flush(struct run *run, const struct store_key *key, tuner_done_fn done, void *arg)
{
	struct job *job = run->job;
	size_t count = job->row_count;
	struct log_event *events;
	struct batch *batch;

	if (done != NULL) {
		struct completion *completion = mem_new(1, sizeof(*completion));

		completion->done = done;
		completion->arg = arg;
		list_append(&run->completions, &completion->node);
	}
	if (count == 0 && list_empty(&run->completions)) {
		return;
	}
	batch = mem_new(1, sizeof(*batch));
	events = run_events(job);
	batch->run = run;
	batch->version = job->version;
	move_list(&run->completions, &batch->completions);
	for (size_t i = 0; i < count; i++) {
		note_send(batch, &job->rows[i]);
	}
	run_ref(run);
	run->io->append(run->io->world, job->id, job->version - (int64_t)count, events, count, key,
			on_stored, batch);
	run_events_free(events, count);
	job_rows_clear(job);
}

/* A job that has ended is in memory until that is on disk. */
struct run *run_known(struct tuner *tuner, const char *job, struct err *reterr)
{
	struct run *run = run_find(tuner, job);

	err_init(reterr);
	if (unread_find(tuner, job) != NULL || tuner->up->is_lost(tuner, job)) {
		(void)unread_refuse(reterr);
		return NULL;
	}
	if (run == NULL) {
		(void)err_set(reterr, ERR_NOT_FOUND, "no open job has this id");
	}
	return run;
}

struct run *run_open(struct tuner *tuner, const char *job, struct err *reterr)
{
	struct run *run = run_known(tuner, job, reterr);

	if (run != NULL && job_state_is_final(run->job->state)) {
		(void)err_set(reterr, ERR_WRONG_STATE, TUNER_IS_OVER,
			      job_state_names[run->job->state]);
		return NULL;
	}
	return run;
}
