/* Takes in what was made elsewhere: measurements, and scores of operators. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "job/import.h"
#include "job/scores_told.h"
#include "tuner/reply.h"
#include "tuner/run.h"

/*
 * What was made elsewhere. A thread of the pool reads it, for a body may be about thousands of trials of thousands of
 * operators; then all of it is recorded, or nothing.
 */

struct intake;

/* What can be taken in. Each but `read` is for the loop's thread. */
struct intake_kind {
	int (*read)(struct intake *intake);
	int (*check)(const struct job *job, struct intake *intake);
	json_t *(*record)(struct run *run, struct intake *intake); /* returns the receipt */
};

struct intake {
	struct loop_job work;
	const struct intake_kind *kind;
	struct tuner *tuner;
	char job[ID_SIZE];
	struct spec *spec; /* one reference */
	json_t *body;      /* likewise */
	const struct store_key *key;
	json_t **ret_receipt;
	tuner_done_fn done;
	void *arg;
	struct import import; /* of measurements */
	struct scores_told scores;
	struct err err;
};

static int read_import(struct intake *i)
{
	return import_read(i->spec, i->body, &i->import, &i->err);
}

static int check_import(const struct job *job, struct intake *i)
{
	return import_check(job, &i->import, &i->err);
}

static json_t *record_import(struct run *run, struct intake *i)
{
	struct job *job = run->job;
	json_t *first = json_null();

	import_record(job, &i->import);
	if (i->import.count > 0) {
		first = json_integer(job->trial_count - (json_int_t)i->import.count);
	}
	return json_pack("{s:I, s:I, s:o}", "imported", (json_int_t)i->import.count, "skipped",
			 (json_int_t)i->import.skipped, "first", first);
}

static const struct intake_kind imports = {read_import, check_import, record_import};

static int read_scores(struct intake *i)
{
	return scores_told_read(i->spec, i->body, &i->scores, &i->err);
}

static int check_scores(const struct job *job, struct intake *i)
{
	return scores_told_room(job, &i->scores, &i->err);
}

static json_t *record_scores(struct run *run, struct intake *i)
{
	run_grow(run, i->scores.bytes);
	return scores_told_record(run->job, &i->scores);
}

static const struct intake_kind scores = {read_scores, check_scores, record_scores};

static void work(void *arg)
{
	struct intake *i = arg;

	(void)i->kind->read(i);
}

static void record(struct intake *i, struct run *run)
{
	struct store_key key;
	char *text;

	*i->ret_receipt = i->kind->record(run, i);
	text = json_text(*i->ret_receipt);
	if (i->key != NULL) {
		key = *i->key;
		key.body = text;
	}
	run_flush(run, i->key != NULL ? &key : NULL, i->done, i->arg);
	run_wake(run);
	free(text);
}

static void after(void *arg)
{
	struct intake *i = arg;
	struct run *run = i->err.code == ERR_OK ? run_open(i->tuner, i->job, &i->err) : NULL;

	if (run != NULL && i->kind->check(run->job, i) == 0) {
		record(i, run);
	} else {
		reply_later(i->tuner, &i->err, i->done, i->arg);
	}
	import_finish(&i->import);
	scores_told_finish(&i->scores);
	spec_destroy(i->spec);
	json_decref(i->body);
	free(i);
}

static void take_in(const struct intake_kind *kind, struct tuner *tuner, const char *job,
		    json_t *body, const struct store_key *key, json_t **ret_receipt,
		    tuner_done_fn done, void *arg)
{
	struct err err;
	struct run *run = run_open(tuner, job, &err);
	struct intake *i;

	*ret_receipt = NULL;
	if (run == NULL) {
		reply_later(tuner, &err, done, arg);
		return;
	}
	i = mem_new(1, sizeof(*i));
	*i = (struct intake){.kind = kind,
			     .tuner = tuner,
			     .spec = spec_ref(run->job->spec),
			     .body = json_incref(body),
			     .key = key,
			     .ret_receipt = ret_receipt,
			     .done = done,
			     .arg = arg};
	(void)snprintf(i->job, sizeof(i->job), "%s", job);
	io_work(tuner->io, &i->work, work, after, i);
}

void tuner_import(struct tuner *tuner, const char *job, json_t *body, const struct store_key *key,
		  json_t **ret_receipt, tuner_done_fn done, void *arg)
{
	take_in(&imports, tuner, job, body, key, ret_receipt, done, arg);
}

void tuner_tell_scores(struct tuner *tuner, const char *job, json_t *body,
		       const struct store_key *key, json_t **ret_receipt, tuner_done_fn done,
		       void *arg)
{
	take_in(&scores, tuner, job, body, key, ret_receipt, done, arg);
}
