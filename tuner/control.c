/* What people do to a job while it runs. */
#include "tuner/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "tuner/held.h"
#include "job/active.h"
#include "tuner/final.h"
#include "tuner/lease.h"
#include "tuner/pool.h"
#include "tuner/reply.h"

/*
 * What people do to a job while it runs. Each call records what it changes and hands it to the
 * store with the caller's completion, so that the answer leaves when the change is on disk.
 */

void tuner_control(struct tuner *tuner, const char *job, enum tuner_action action,
		   const struct store_key *key, tuner_done_fn done, void *arg)
{
	struct err err;
	struct run *run =
		action == TUNER_CANCEL ? run_known(tuner, job, &err) : run_open(tuner, job, &err);

	if (held_control(tuner, job, action, key, done, arg)) {
		return;
	}
	if (run == NULL) {
		reply_later(tuner, &err, done, arg);
		return;
	}
	if (action == TUNER_CANCEL && !job_state_is_final(run->job->state)) {
		job_end(run->job, JOB_CANCELLED, "cancelled", "cancelled by request");
	} else if (action == TUNER_PAUSE && run->job->state != JOB_PAUSED) {
		job_pause(run->job, "requested", "paused by request", NULL);
	} else if (action == TUNER_RESUME && run->job->state == JOB_PAUSED) {
		sched_readmit(&run->seat);
		job_resume(run->job);
		pool_resume(run);
	}
	run_follow(run);
	run_flush(run, key, done, arg);
	run_wake(run);
}

/* The labels after the edit, or NULL when it leaves them alone. New reference. */
static json_t *edited_labels(const struct json_at *edits, const struct job *job, bool merge)
{
	struct json_at at = json_member(edits, "labels");
	json_t *all;
	const char *key;
	json_t *value;

	if (!merge) {
		return at.value != NULL ? spec_labels_read(&at, job->spec->rules) : NULL;
	}
	if (json_object_get(edits->value, "labels") == NULL) {
		return NULL;
	}
	all = at.value != NULL ? json_copy(job->labels) : json_object();
	if (at.value != NULL && !json_is_object_at(&at)) {
		return all;
	}
	json_object_foreach(at.value, key, value) {
		if (json_is_null(value)) {
			(void)json_object_del(all, key);
		} else {
			(void)json_object_set(all, key, value);
		}
	}
	at.value = all;
	json_decref(spec_labels_read(&at, job->spec->rules));
	return all;
}

/* Adds the numbers that change to `data`. */
static void edit_numbers(const struct json_at *edits, const struct job *job, bool merge,
			 json_t *data)
{
	static const char *const names[] = {"parallel", "max_trials", "timeout"};
	struct json_at parallel = json_member(edits, "parallel");
	struct json_at trials = json_member(edits, "max_trials");
	struct json_at timeout = json_member(edits, "timeout");
	int64_t places = json_int(&parallel, 1, 1, LIMIT_PARALLEL);
	int64_t budget = json_int(&trials, 1, job->charged > 0 ? job->charged : 1, LIMIT_TRIALS);

	(void)json_real_in(&timeout, 0, 0, 366.0 * 24 * 3600);
	for (size_t i = 0; merge && i < sizeof(names) / sizeof(names[0]); i++) {
		struct json_at number = json_member(edits, names[i]);

		if (json_is_null(json_object_get(edits->value, names[i]))) {
			(void)json_fault(&number, "cannot be removed: give a number");
		}
	}
	if (parallel.value != NULL) {
		(void)json_object_set_new(data, "parallel", json_integer(places));
	}
	if (trials.value != NULL) {
		(void)json_object_set_new(data, "max_trials", json_integer(budget));
	}
	if (timeout.value != NULL) {
		(void)json_object_set(data, "timeout", timeout.value);
	}
}

/* What is to change, as job_edited has it, or NULL and faults. New reference. */
static json_t *read_edits(json_t *edits, const struct job *job, bool merge, struct err *reterr)
{
	static const char *const members[] = {"name",       "labels",  "parallel",
					      "max_trials", "timeout", NULL};
	struct json_at at = json_root(edits, reterr);
	struct json_at name = json_member(&at, "name");
	json_t *data, *labels;

	if (json_object_get(edits, "evaluator_args") != NULL) {
		(void)err_set(reterr, ERR_CONFLICT,
			      "evaluator_args belong to every measurement of the job: clone it to "
			      "give others");
		return NULL;
	}
	data = json_object();
	json_only(&at, members);
	(void)json_string_in(&name, NULL, LIMIT_NAME_BYTES);
	if (json_object_get(edits, "name") != NULL) {
		(void)json_object_set(data, "name", json_object_get(edits, "name"));
	}
	labels = edited_labels(&at, job, merge);
	if (labels != NULL) {
		(void)json_object_set_new(data, "labels", labels);
	}
	edit_numbers(&at, job, merge, data);
	if (reterr->code != ERR_OK) {
		json_decref(data);
		return NULL;
	}
	return data;
}

/* What is for people only may be changed for ever. */
static bool decides(const json_t *edits)
{
	static const char *const members[] = {"parallel", "max_trials", "timeout"};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (json_object_get(edits, members[i]) != NULL) {
			return true;
		}
	}
	return false;
}

struct edit {
	json_t *edits; /* owned */
	bool merge;
	int64_t version; /* that the job must have, or -1 */
};

static void forget_edit(void *arg)
{
	struct edit *edit = arg;

	json_decref(edit->edits);
	free(edit);
}

static int change(struct job *job, void *arg, struct err *reterr)
{
	const struct edit *edit = arg;
	json_t *data;

	if (edit->version >= 0 && edit->version != job->version) {
		return err_set(reterr, ERR_PRECONDITION, "the job has changed meanwhile");
	}
	data = read_edits(edit->edits, job, edit->merge, reterr);
	if (data == NULL) {
		return -(int)reterr->code;
	}
	if (job_state_is_final(job->state) && decides(data)) {
		json_decref(data);
		return err_set(reterr, ERR_WRONG_STATE,
			       TUNER_IS_OVER "; of this one only name and labels can be changed",
			       job_state_names[job->state]);
	}
	if (decides(data)) {
		/* What is settled follows from these numbers: a replay must settle as far first. */
		(void)json_object_set_new(data, "seen", json_integer(job->settled));
	}
	if (json_object_size(data) > 0) {
		job_record(job, LOGGED_JOB_EDITED, -1, data);
	} else {
		json_decref(data);
	}
	return 0;
}

void tuner_edit(struct tuner *tuner, const char *job, int64_t version, json_t *edits, bool merge,
		tuner_done_fn done, void *arg)
{
	struct run *run = run_find(tuner, job);
	struct edit *edit = mem_new(1, sizeof(*edit));
	struct err err;

	err_init(&err);
	*edit = (struct edit){json_incref(edits), merge, version};
	if (run == NULL) {
		final_change(tuner, job, false, change, edit, forget_edit, NULL, done, arg);
		return;
	}
	edit->version = -1; /* what is on its way to the disk comes first */
	if (change(run->job, edit, &err) != 0) {
		reply_later(tuner, &err, done, arg);
	} else {
		run_follow(run);
		run_flush(run, NULL, done, arg);
		run_wake(run);
	}
	forget_edit(edit);
}

void tuner_lease_heartbeat(struct tuner *tuner, const char *lease, json_t *body, bool *ret_go_on,
			   int64_t *ret_expires_at_ms, tuner_done_fn done, void *arg)
{
	struct beat beat;
	struct err err;
	int rc;

	err_init(&err);
	rc = lease_beat(tuner, lease, body, &beat, &err);
	if (rc == -(int)ERR_GONE) {
		lease_judge(tuner, lease, NULL, done, arg);
		return;
	}
	if (rc == 0) {
		*ret_go_on = beat.go_on;
		*ret_expires_at_ms = beat.expires_at_ms;
	}
	if (rc != 0 || beat.run == NULL) {
		reply_later(tuner, &err, done, arg);
		return;
	}
	run_flush(beat.run, NULL, done, arg);
	run_wake(beat.run);
}

typedef int lease_fn(struct tuner *tuner, const char *lease_id, json_t *body, struct run **ret_run,
		     struct err *reterr);

/* What whoever has a lease sends to end it. `answer` is to be judged when it is not in force. */
static void end_lease(struct tuner *tuner, const char *lease, lease_fn *fn, json_t *body,
		      json_t *answer, const struct store_key *key, tuner_done_fn done, void *arg)
{
	struct run *run;
	struct err err ERR_UNCLEARED;
	int rc;

	err_init(&err);
	rc = fn(tuner, lease, body, &run, &err);
	if (rc == -(int)ERR_GONE) {
		lease_judge(tuner, lease, answer, done, arg);
		return;
	}
	if (rc != 0) {
		reply_later(tuner, &err, done, arg);
		return;
	}
	run_flush(run, key, done, arg);
	run_wake(run);
}

void tuner_lease_complete(struct tuner *tuner, const char *lease, json_t *answer,
			  const struct store_key *key, tuner_done_fn done, void *arg)
{
	end_lease(tuner, lease, lease_complete, answer, answer, key, done, arg);
}

void tuner_lease_return(struct tuner *tuner, const char *lease, json_t *body,
			const struct store_key *key, tuner_done_fn done, void *arg)
{
	end_lease(tuner, lease, lease_return, body, NULL, key, done, arg);
}
