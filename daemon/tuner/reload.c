#include "tuner/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/query.h"

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
		replay->rc = job_replay(replay->job, cells[2], trial, data, replay->err);
	}
	if (replay->rc != 0 && replay->err->code == ERR_CORRUPT) {
		(void)err_prefix(replay->err, "event %s", cells[0]);
	}
	json_decref(data);
}

static int read_log(struct store *store, reload_query_fn *query, struct job *job,
		    struct err *reterr)
{
	struct replay replay = {.job = job, .err = reterr};
	int rc;

	do {
		struct store_value values[] = {
			{.text = job->id}, {.integer = replay.last}, {.integer = LOG_PAGE}};

		replay.rows = 0;
		rc = query(store, QUERY_LOG, values, 3, on_row, &replay, reterr);
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
		if (trial->state >= TRIAL_TOLD || trial->cached || trial->question == NULL) {
			continue;
		}
		if (trial->retried && trial->state == TRIAL_ASKED) {
			continue; /* the next turn takes care of it */
		}
		if (place >= 0) {
			sched_force(&run->seat, place);
		}
		if (trial->accepted || (trial->state == TRIAL_LEASED && trial->worker != NULL)) {
			flight_wait(run, trial, place);
		} else {
			flight_start(run, trial, place);
		}
	}
}

struct job *reload_read(struct store *store, reload_query_fn *query, const char *id,
			char *const *cells, struct err *reterr)
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
	job = job_create(id, spec);
	if (read_log(store, query, job, reterr) != 0) {
		job_destroy(job);
		return NULL;
	}
	return job;
}

static int reload_job(struct tuner *tuner, const char *id, char *const *cells, struct err *reterr)
{
	struct job *job = reload_read(tuner->options.store, store_query_now, id, cells, reterr);
	struct run *run;

	if (job == NULL) {
		return -(int)reterr->code;
	}
	if (job_state_is_final(job->state)) {
		job_destroy(job);
		return 0;
	}
	run = run_create(tuner, job);
	run_clock(run);
	relaunch(run);
	run_wake(run);
	log_line(LOG_INFO, "job goes on", LOG_TEXT("job", id), LOG_INT("trials", job->trial_count));
	return 0;
}

static void on_last_version(void *arg, char *const *cells)
{
	*(int64_t *)arg = strtoll(cells[0], NULL, 10);
}

static void on_failed_stored(void *arg, int rc, const struct err *err)
{
	(void)arg;
	if (rc != 0) {
		log_line(LOG_ERROR, "a job's failure was not stored",
			 LOG_TEXT("error", err->message));
	}
}

/* A job that this version cannot read ends with a reason instead of hanging for ever. */
static void fail_unreadable(struct tuner *tuner, const char *id, const struct err *err)
{
	int64_t version = 0;
	json_t *data = json_pack("{s:s, s:{s:s, s:s}}", "state", "failed", "exit", "reason",
				 "error", "detail", err->message);
	char *text = json_text(data);
	struct store_event event = {"state_changed", clock_wall_ms(), -1, text};
	struct store_value values[] = {{.text = id}, {.integer = 0}, {.integer = INT32_MAX}};
	struct err ignored;

	if (store_query_now(tuner->options.store, QUERY_LOG, values, 3, on_last_version, &version,
			    &ignored) == 0) {
		store_append(tuner->options.store, id, version, &event, 1, NULL, on_failed_stored,
			     NULL);
	}
	free(text);
	json_decref(data);
}

struct open_job {
	char id[ID_SIZE];
	char *cells[SPEC_TEXTS]; /* owned */
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
	for (int i = 0; i < SPEC_TEXTS; i++) {
		job->cells[i] = cells[i + 1] != NULL ? mem_dup(cells[i + 1]) : NULL;
	}
}

static int load(struct tuner *tuner, const char *only, struct err *reterr)
{
	struct open_jobs jobs = {.only = only};
	int rc = store_query_now(tuner->options.store, QUERY_OPEN_JOBS, NULL, 0, on_open_job, &jobs,
				 reterr);

	for (size_t i = 0; i < jobs.count; i++) {
		struct err why;

		if (rc == 0 && reload_job(tuner, jobs.list[i].id, jobs.list[i].cells, &why) != 0) {
			log_line(LOG_ERROR, "job cannot go on", LOG_TEXT("job", jobs.list[i].id),
				 LOG_TEXT("error", why.message));
			fail_unreadable(tuner, jobs.list[i].id, &why);
		}
		for (int k = 0; k < SPEC_TEXTS; k++) {
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

		if (!store_writable(tuner->options.store) || load(tuner, reload->job, &err) != 0) {
			list_append(&tuner->broken, node);
			loop_timer_start(&tuner->reload_timer, RELOAD_AFTER_MS);
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
		loop_timer_start(&tuner->reload_timer, RELOAD_AFTER_MS);
	}
}

void reload_init(struct tuner *tuner)
{
	list_init(&tuner->broken);
	loop_timer_init(tuner->options.loop, &tuner->reload_timer, on_reload_timer, tuner);
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
