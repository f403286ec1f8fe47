/* Edits jobs that are over. */
#include "tuner/final.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/query.h"
#include "tuner/reload.h"
#include "tuner/run.h"
#include "tuner/stop.h"
#include "tuner/unread.h"

/*
 * Edits of jobs that are over. Such a job is not in memory: it is read from its log, changed, what
 * it recorded is appended, and it is forgotten again. Reading may take long with thousands of
 * trials, so a pool thread does it. Who was quicker meanwhile is noticed by the store, which
 * appends behind the version that was read only: then it is read once more.
 */

enum { TRIES = 8, CELLS = SPEC_TEXTS + 1 };

struct final {
	struct loop_job work;
	struct tuner *tuner;
	char *id; /* owned */
	bool whole;
	final_fn *change;
	void *arg;
	loop_fn forget;
	struct store_key *key; /* owned */
	tuner_done_fn done;
	void *done_arg;
	int tries;
	/* What was read. */
	char *cells[CELLS]; /* spec_load()'s, then the document; owned */
	enum job_state state;
	int64_t version;
	struct job *job; /* NULL with err */
	struct err err;
};

static void drop(struct final *final)
{
	for (int i = 0; i < CELLS; i++) {
		free(final->cells[i]);
		final->cells[i] = NULL;
	}
	job_destroy(final->job);
	final->job = NULL;
}

static void finish(struct final *final, int rc, const struct err *err)
{
	struct tuner *tuner = final->tuner;

	final->done(final->done_arg, rc, err);
	drop(final);
	final->forget(final->arg);
	store_key_free(final->key);
	free(final->id);
	free(final);
	tuner->alive--;
	stop_check(tuner);
}

static void on_job(void *arg, char *const *cells)
{
	static const int wanted[] = {JOB_SPEC, JOB_CAPABILITY, JOB_EVALUATOR, JOB_MATCHED,
				     JOB_DOCUMENT};
	struct final *final = arg;

	for (int i = 0; i < CELLS; i++) {
		final->cells[i] = cells[wanted[i]] != NULL ? mem_dup(cells[wanted[i]]) : NULL;
	}
	final->version = strtoll(cells[JOB_VERSION], NULL, 10);
	for (int i = 0; job_state_names[i] != NULL; i++) {
		if (strcmp(job_state_names[i], cells[JOB_STATE]) == 0) {
			final->state = (enum job_state)i;
		}
	}
}

/* What needs no log can be done to a job whose log cannot be read. */
static struct job *without_log(struct final *final)
{
	struct spec *spec = spec_load(final->cells[0], final->cells[1], final->cells[2],
				      final->cells[3], &final->err);
	struct job *job =
		spec != NULL ? job_create(final->id, spec, &final->tuner->io->clock) : NULL;

	json_t *document;

	if (job != NULL) {
		document = json_loads(final->cells[SPEC_TEXTS], 0, NULL);
		json_decref(job->labels);
		job->labels = json_incref(json_object_get(document, "labels"));
		json_decref(document);
		job->state = final->state;
		job->version = final->version;
	}
	return job;
}

static void read_whole(struct final *final)
{
	struct err why;

	final->job = reload_read(final->tuner->io, final->id, final->cells, &why);
	if (final->job == NULL) {
		(void)err_set(&final->err, ERR_WRONG_STATE,
			      "the job's log cannot be read again: %s", why.message);
	} else if (final->job->strategy_ready) {
		(void)strategy_catch_up(&final->job->strategy, NULL);
	}
}

static void work_read(void *arg)
{
	struct final *final = arg;
	const struct tuner_io *io = final->tuner->io;
	struct store_value id = {.text = final->id};

	if (io->query_apart(io->world, QUERY_JOB, &id, 1, on_job, final, &final->err) != 0) {
		return;
	}
	if (final->cells[0] == NULL) {
		(void)err_set(&final->err, ERR_NOT_FOUND, "no job has the id %.64s", final->id);
	} else if (final->state == JOB_PAUSED) {
		(void)err_set(
			&final->err, ERR_WRONG_STATE,
			"the job is paused because this narrowd cannot read it: its \"pause\" "
			"says why");
	} else if (!job_state_is_final(final->state)) {
		(void)unread_refuse(&final->err);
	} else if (final->whole) {
		read_whole(final);
	} else {
		final->job = without_log(final);
	}
}

static void read_again(struct final *final);

static void on_stored(void *arg, int rc, const struct err *err)
{
	struct final *final = arg;

	if (rc == -(int)ERR_CONFLICT && ++final->tries < TRIES) {
		read_again(final);
	} else {
		finish(final, rc, err);
	}
}

static void after_reading(void *arg)
{
	struct final *final = arg;
	struct job *job = final->job;
	struct log_event *events;
	size_t count;

	if (job == NULL || final->change(job, final->arg, &final->err) != 0) {
		finish(final, -(int) final->err.code, &final->err);
		return;
	}
	count = job->row_count;
	if (count == 0 && final->key == NULL) {
		finish(final, 0, &final->err);
		return;
	}
	events = run_events(job);
	final->tuner->io->append(final->tuner->io->world, job->id, job->version - (int64_t)count,
				 events, count, final->key, on_stored, final);
	run_events_free(events, job->row_count);
	job_rows_clear(job);
}

static void read_again(struct final *final)
{
	drop(final);
	err_init(&final->err);
	io_work(final->tuner->io, &final->work, work_read, after_reading, final);
}

void final_change(struct tuner *tuner, const char *job, bool whole, final_fn *change, void *arg,
		  loop_fn forget, const struct store_key *key, tuner_done_fn done, void *done_arg)
{
	struct final *final = mem_new(1, sizeof(*final));

	*final = (struct final){
		.tuner = tuner,
		.id = mem_dup(job),
		.whole = whole,
		.change = change,
		.arg = arg,
		.forget = forget,
		.key = store_key_copy(key),
		.done = done,
		.done_arg = done_arg,
	};
	tuner->alive++;
	read_again(final);
}
