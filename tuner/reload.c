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

/*
 * Reading a job back from its log: at start for every job that is not final, and while running
 * for one whose events could not be stored, so that memory never claims more than the disk.
 */

enum { RELOAD_AFTER_MS = 1000, LOG_PAGE = 1000 };

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

static int read_log(const struct tuner_io *io, bool apart, struct job *job, struct err *reterr)
{
	struct replay replay = {.job = job, .err = reterr};
	int rc;

	do {
		struct store_value values[] = {
			{.text = job->id}, {.integer = replay.last}, {.integer = LOG_PAGE}};

		replay.rows = 0;
		rc = (apart ? io->query_apart : io->query_now)(io->world, QUERY_LOG, values, 3,
							       on_row, &replay, reterr);
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

		remember_leases(run->tuner, trial);
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

struct job *reload_read(const struct tuner_io *io, bool apart, const char *id, char *const *cells,
			struct err *reterr)
{
	struct spec *spec = spec_load(cells[0], cells[1], cells[2], cells[3], reterr);
	struct job *job;

	if (spec == NULL) {
		return NULL;
	}
	if (spec->strategy == NULL) {
		spec_destroy(spec);
		(void)err_set(
			reterr, ERR_CONFIG,
			"its strategy was a plug-in that is not in plugin_dir any more; a clone "
			"with another strategy and warm_start goes on with what was measured");
		return NULL;
	}
	job = job_create(id, spec, &io->clock);
	if (read_log(io, apart, job, reterr) != 0) {
		job_destroy(job);
		return NULL;
	}
	return job;
}

/* What a spec is made of, then the job's version, why it is paused, 0 for a damaged submission, and its
 * owner. */
enum { OPEN_VERSION = SPEC_TEXTS, OPEN_PAUSE, OPEN_WHOLE, OPEN_OWNER, OPEN_CELLS };

static int reload_job(struct tuner *tuner, const char *id, char *const *cells, struct err *reterr)
{
	struct job *job = reload_read(tuner->io, false, id, cells, reterr);
	struct run *run;
	int64_t bytes;

	if (job == NULL) {
		return -(int)reterr->code;
	}
	if (job_state_is_final(job->state)) {
		job_destroy(job);
		return 0;
	}
	bytes = (int64_t)(strlen(cells[0]) + strlen(cells[1]));
	quota_open(&tuner->quota, cells[OPEN_OWNER], bytes);
	run = run_create(tuner, job, cells[OPEN_OWNER], bytes);
	job_clock(job);
	run_follow(run);
	relaunch(run);
	run_wake(run);
	log_line(LOG_INFO, "job goes on", LOG_TEXT("job", id), LOG_INT("trials", job->trial_count));
	return 0;
}

struct open_job {
	char id[ID_SIZE];
	char *cells[OPEN_CELLS]; /* owned */
};

struct open_jobs {
	struct open_job *list;
	size_t count;
	const char *only; /* an id, or NULL for all */
};

static void on_open_job(void *arg, char *const *cells)
{
	struct open_jobs *jobs = arg;
	struct open_job *job;

	if (jobs->only != NULL && strcmp(jobs->only, cells[0]) != 0) {
		return;
	}
	jobs->list = mem_grow(jobs->list, jobs->count + 1, sizeof(*jobs->list));
	job = &jobs->list[jobs->count++];
	(void)snprintf(job->id, sizeof(job->id), "%s", cells[0]);
	for (int i = 0; i < OPEN_CELLS; i++) {
		job->cells[i] = cells[i + 1] != NULL ? mem_dup(cells[i + 1]) : NULL;
	}
}

/* Whether a reason not to read a job may be gone in a moment. */
static bool passes(enum err_code code)
{
	return code == ERR_STORAGE || code == ERR_BUSY || code == ERR_NO_MEMORY;
}

static void take_up(struct tuner *tuner, const struct open_job *job)
{
	struct err why;
	int rc = strcmp(job->cells[OPEN_WHOLE], "0") != 0
			 ? reload_job(tuner, job->id, job->cells, &why)
			 : err_set(&why, ERR_CORRUPT, "its submission is not what was written");

	if (rc == 0) {
		return;
	}
	if (passes(why.code)) {
		log_line(LOG_ERROR, "job could not be read, later again", LOG_TEXT("job", job->id),
			 LOG_TEXT("error", why.message));
		reload_later(tuner, job->id);
	} else {
		held_keep(tuner, job->id, strtoll(job->cells[OPEN_VERSION], NULL, 10),
			  job->cells[OPEN_PAUSE], &why);
	}
}

static int load(struct tuner *tuner, const char *only, struct err *reterr)
{
	struct open_jobs jobs = {.only = only};
	int rc = tuner->io->query_now(tuner->io->world, QUERY_OPEN_JOBS, NULL, 0, on_open_job,
				      &jobs, reterr);

	for (size_t i = 0; i < jobs.count; i++) {
		if (rc == 0) {
			take_up(tuner, &jobs.list[i]);
		}
		for (int k = 0; k < OPEN_CELLS; k++) {
			free(jobs.list[i].cells[k]);
		}
	}
	free(jobs.list);
	return rc;
}

static void on_reload_timer(void *arg)
{
	struct tuner *tuner = arg;
	struct list *node;
	struct err err;

	while (!tuner->stopping && (node = list_pop(&tuner->broken)) != NULL) {
		struct reload *reload = list_entry(node, struct reload, node);

		if (!tuner->io->writable(tuner->io->world) || load(tuner, reload->job, &err) != 0) {
			list_append(&tuner->broken, node);
			io_timer_start(tuner->io, &tuner->reload_timer, RELOAD_AFTER_MS);
			return;
		}
		free(reload);
	}
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

void reload_init(struct tuner *tuner)
{
	list_init(&tuner->broken);
	io_timer_init(tuner->io, &tuner->reload_timer, on_reload_timer, tuner);
}

void reload_finish(struct tuner *tuner)
{
	struct list *node;

	while ((node = list_pop(&tuner->broken)) != NULL) {
		free(list_entry(node, struct reload, node));
	}
}

int tuner_resume(struct tuner *tuner, struct err *reterr)
{
	return load(tuner, NULL, reterr);
}
