/* Reads jobs back from their logs. */
#include "tuner/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "job/active.h"
#include "store/query.h"
#include "tuner/held.h"
#include "tuner/launch.h"
#include "tuner/run.h"
#include "tuner/stop.h"
#include "tuner/unread.h"
#include "tuner/watch.h"

/*
 * Reading a job back from its log: at start every job that is not final, and while running one whose events could
 * not be stored, so that memory never claims more than the disk.
 *
 * Threads of the pool read, a few jobs at a time, and the daemon serves meanwhile. Whoever asks for a job that is still to be
 * read brings its turn forward and waits for that one. What was out is asked again as soon as its job is read; new questions
 * wait until the last job of the start is (turn.c).
 */

enum { RELOAD_AFTER_MS = 1000, LOG_PAGE = 1000, AT_ONCE = 2, LEASES_AT_ONCE = 2000 };

struct reload {
	struct list node;
	char job[ID_SIZE];
};

struct replay {
	struct job *job;
	struct err *err;
	int rc;
	int64_t last; /* number of the newest event read */
	size_t rows;
};

static void on_row(void *arg, char *const *cells)
{
	struct replay *replay = arg;
	json_t *data = json_loads(cells[5], 0, NULL);
	int64_t trial = cells[4] != NULL ? strtoll(cells[4], NULL, 10) : -1;

	replay->rows++;
	replay->last = strtoll(cells[0], NULL, 10);
	if (replay->rc == 0) {
		replay->job->now_ms = strtoll(cells[3], NULL, 10);
		replay->rc =
			job_replay(replay->job, logged_find(cells[2]), trial, data, replay->err);
	}
	if (replay->rc != 0 && replay->err->code == ERR_CORRUPT) {
		(void)err_prefix(replay->err, "event %s", cells[0]);
	}
	json_decref(data);
}

static int read_log(const struct tuner_io *io, struct job *job, struct err *reterr)
{
	struct replay replay = {.job = job, .err = reterr};
	int rc;

	do {
		struct store_value values[] = {
			{.text = job->id}, {.integer = replay.last}, {.integer = LOG_PAGE}};

		replay.rows = 0;
		rc = io->query_apart(io->world, QUERY_LOG, values, 3, on_row, &replay, reterr);
	} while (rc == 0 && replay.rc == 0 && replay.rows == LOG_PAGE);
	return rc != 0 ? rc : replay.rc;
}

/* Who answers again, or late, is told so as before. */
static void remember_leases(struct tuner *tuner, struct trial *trial)
{
	if (trial->lease[0] != '\0') {
		map_set(&tuner->leases, trial->lease, (intptr_t)trial);
	}
	for (size_t i = 0; i < trial->past_count; i++) {
		map_set(&tuner->leases, trial->past[i], (intptr_t)trial);
	}
}

/* Asks again what was out, under the same idempotency keys; what was accepted is waited for. */
static void relaunch(struct run *run)
{
	struct job *job = run->job;

	for (int64_t i = 0; i < job->trial_count; i++) {
		struct trial *trial = job->trials[i];
		int place = question_is_advice(trial->kind) ? -1 : trial->place;

		if (trial->state >= TRIAL_TOLD || trial->cached || !trial->asked) {
			continue;
		}
		if (trial->retried && trial->state == TRIAL_ASKED) {
			continue; /* the next turn takes care of it */
		}
		if (place >= 0) {
			sched_force(&run->seat, place);
		}
		if (trial->accepted || (trial->state == TRIAL_LEASED && trial->worker != NULL)) {
			launch_wait(run, trial, place);
		} else {
			launch_start(run, trial, place);
		}
	}
}

/* NULL when it cannot be read, or its strategy is not there any more. */
static struct job *begin(const struct tuner_io *io, const char *id, char *const *cells,
			 struct err *reterr)
{
	struct spec *spec = spec_load(cells[0], cells[1], cells[2], cells[3], reterr);

	if (spec != NULL && spec->strategy == NULL) {
		spec_destroy(spec);
		spec = NULL;
		(void)err_set(
			reterr, ERR_CONFIG,
			"its strategy was a plug-in that is not in plugin_dir any more; a clone "
			"with another strategy and warm_start goes on with what was measured");
	}
	return spec != NULL ? job_create(id, spec, &io->clock) : NULL;
}

/* The job that has begun, or NULL. */
static struct job *replay_log(const struct tuner_io *io, struct job *job, struct err *reterr)
{
	if (job != NULL && read_log(io, job, reterr) != 0) {
		job_destroy(job);
		job = NULL;
	}
	return job;
}

struct job *reload_read(const struct tuner_io *io, const char *id, char *const *cells,
			struct err *reterr)
{
	return replay_log(io, begin(io, id, cells, reterr), reterr);
}

/* What a spec is made of, then the job's version, why it is paused, and 0 for a damaged submission. */
enum { OPEN_VERSION = SPEC_TEXTS, OPEN_PAUSE, OPEN_WHOLE };

/* A job that a thread of the pool reads. */
struct reading {
	struct loop_job work;
	struct unread *unread;
	const struct tuner_io *io;
	bool open; /* as the store has it */
	int64_t version;
	char *pause;     /* owned */
	struct job *job; /* NULL with err */
	struct err err;
};

static void on_open_job(void *arg, char *const *cells)
{
	struct reading *r = arg;

	r->open = true;
	r->version = strtoll(cells[OPEN_VERSION], NULL, 10);
	r->pause = cells[OPEN_PAUSE] != NULL ? mem_dup(cells[OPEN_PAUSE]) : NULL;
	if (strcmp(cells[OPEN_WHOLE], "0") != 0) {
		r->job = begin(r->io, r->unread->job, cells, &r->err);
	} else {
		(void)err_set(&r->err, ERR_CORRUPT, "its submission is not what was written");
	}
}

static void work_read(void *arg)
{
	struct reading *r = arg;
	struct store_value id = {.text = r->unread->job};

	if (r->io->query_apart(r->io->world, QUERY_OPEN_JOB, &id, 1, on_open_job, r, &r->err) !=
	    0) {
		job_destroy(r->job);
		r->job = NULL;
	}
	r->job = replay_log(r->io, r->job, &r->err);
}

/* Turns that have come meanwhile. */
static void let_decide(struct tuner *tuner)
{
	struct list *node;

	while ((node = list_pop(&tuner->early)) != NULL) {
		run_wake(list_entry(node, struct run, early));
	}
}

/* It is in memory, or will not be. */
static void is_read(struct unread *unread)
{
	struct tuner *tuner = unread->tuner;
	bool last = unread->of_start && --tuner->of_start == 0;

	watch_wake(&unread->watches);
	unread_drop(unread);
	if (last) {
		let_decide(tuner);
	}
	reload_more(tuner);
}

/* True when those of all trials can be found. */
static bool remember_some(struct unread *unread)
{
	const struct job *job = unread->run->job;
	int64_t left = job->trial_count - unread->remembered;
	int64_t end = unread->remembered + (left < LEASES_AT_ONCE ? left : LEASES_AT_ONCE);

	while (unread->remembered < end) {
		remember_leases(unread->tuner, job->trials[unread->remembered++]);
	}
	return end == job->trial_count;
}

/* So many leases at a time, for the loop has other work. */
static void go_on(void *arg)
{
	struct unread *unread = arg;
	struct run *run = unread->run;

	if (!run->closed && !remember_some(unread)) {
		io_defer(unread->tuner->io, &unread->task, go_on, unread);
		return;
	}
	if (!run->closed) {
		relaunch(run);
		run_wake(run);
		log_line(LOG_INFO, "job goes on", LOG_TEXT("job", unread->job),
			 LOG_INT("trials", run->job->trial_count));
	}
	is_read(unread);
	run_unref(run);
}

static void take_up(struct unread *unread, struct job *job)
{
	struct run *run = run_create(unread->tuner, job, unread->owner, unread->bytes);

	run_grow(run, job->told_bytes);
	job_clock(job);
	run_follow(run);
	run_ref(run);
	unread->run = run;
	go_on(unread);
}

/* Whether a reason not to read a job may be gone in a moment. */
static bool passes(enum err_code code)
{
	return code == ERR_STORAGE || code == ERR_BUSY || code == ERR_NO_MEMORY;
}

static void give_up(struct unread *unread, const struct reading *r)
{
	struct tuner *tuner = unread->tuner;

	quota_close(&tuner->quota, unread->owner, unread->bytes);
	if (r->err.code == ERR_OK || tuner->stopping) {
		/* It has ended, or is read at the next start. */
	} else if (passes(r->err.code)) {
		log_line(LOG_ERROR, "job could not be read, later again",
			 LOG_TEXT("job", unread->job), LOG_TEXT("error", r->err.message));
		reload_later(tuner, unread->job);
	} else {
		held_keep(tuner, unread->job, r->version, r->pause, &r->err);
	}
	is_read(unread);
}

static void after_reading(void *arg)
{
	struct reading *r = arg;
	struct tuner *tuner = r->unread->tuner;
	bool wanted = r->job != NULL && !job_state_is_final(r->job->state) && !tuner->stopping;

	tuner->reading--;
	tuner->alive--;
	if (wanted) {
		take_up(r->unread, r->job);
	} else {
		if (r->job != NULL) {
			run_forget_job(tuner->io, r->job);
		}
		give_up(r->unread, r);
	}
	free(r->pause);
	free(r);
	stop_check(tuner);
}

/* One that somebody waits for does not wait for long ones. */
static bool may_read(const struct tuner *tuner)
{
	const struct unread *next = list_entry(tuner->to_read.next, struct unread, node);

	return !tuner->stopping && !list_empty(&tuner->to_read) &&
	       tuner->reading < AT_ONCE + (size_t)!list_empty(&next->watches);
}

void reload_more(struct tuner *tuner)
{
	while (may_read(tuner)) {
		struct reading *r = mem_new(1, sizeof(*r));

		r->unread = list_entry(list_pop(&tuner->to_read), struct unread, node);
		r->io = tuner->io;
		tuner->reading++;
		tuner->alive++; /* it does not stop before */
		io_work(tuner->io, &r->work, work_read, after_reading, r);
	}
}

/* An open job's id, its owner, and the bytes of its submission. */
static void on_listed(void *arg, char *const *cells)
{
	(void)unread_add(arg, cells[0], cells[1], strtoll(cells[2], NULL, 10));
}

/* Jobs that are not in memory get into the queue: one, or (NULL) all. */
static int list_open(struct tuner *tuner, const char *only, struct err *reterr)
{
	struct store_value id = {.text = only, .is_null = only == NULL};

	return tuner->io->query_now(tuner->io->world, QUERY_OPEN_JOBS, &id, 1, on_listed, tuner,
				    reterr);
}

static void on_reload_timer(void *arg)
{
	struct tuner *tuner = arg;
	struct list *node;
	struct err err;

	while (!tuner->stopping && (node = list_pop(&tuner->broken)) != NULL) {
		struct reload *reload = list_entry(node, struct reload, node);

		if (!tuner->io->writable(tuner->io->world) ||
		    list_open(tuner, reload->job, &err) != 0) {
			list_append(&tuner->broken, node);
			io_timer_start(tuner->io, &tuner->reload_timer, RELOAD_AFTER_MS);
			break;
		}
		free(reload);
	}
	reload_more(tuner);
}

void reload_later(struct tuner *tuner, const char *job)
{
	struct reload *reload = mem_new(1, sizeof(*reload));

	(void)snprintf(reload->job, sizeof(reload->job), "%s", job);
	list_append(&tuner->broken, &reload->node);
	if (!tuner->stopping) {
		io_timer_start(tuner->io, &tuner->reload_timer, RELOAD_AFTER_MS);
	}
}

bool reload_is_due(const struct tuner *tuner, const char *job)
{
	for (struct list *n = tuner->broken.next; n != &tuner->broken; n = n->next) {
		if (strcmp(list_entry(n, struct reload, node)->job, job) == 0) {
			return true;
		}
	}
	return false;
}

void reload_stop(struct tuner *tuner)
{
	for (size_t i = 0; i < tuner->unread.capacity; i++) {
		if (tuner->unread.slots[i].key != NULL) {
			watch_wake(&unread_find(tuner, tuner->unread.slots[i].key)->watches);
		}
	}
}

void reload_init(struct tuner *tuner)
{
	list_init(&tuner->broken);
	list_init(&tuner->early);
	unread_init(tuner);
	io_timer_init(tuner->io, &tuner->reload_timer, on_reload_timer, tuner);
}

void reload_finish(struct tuner *tuner)
{
	struct list *node;

	while ((node = list_pop(&tuner->broken)) != NULL) {
		free(list_entry(node, struct reload, node));
	}
	unread_finish(tuner);
}

int tuner_resume(struct tuner *tuner, struct err *reterr)
{
	int rc = list_open(tuner, NULL, reterr);

	for (struct list *n = tuner->to_read.next; n != &tuner->to_read; n = n->next) {
		list_entry(n, struct unread, node)->of_start = true;
		tuner->of_start++;
	}
	reload_more(tuner);
	return rc;
}
