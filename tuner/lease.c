/* Takes what comes in under a lease: signs of life, answers, questions that come back. */
#include "tuner/lease.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/query.h"
#include "job/early.h"
#include "job/remark.h"
#include "dispatch/workers.h"
#include "tuner/asking.h"
#include "tuner/attempt.h"
#include "tuner/flight.h"
#include "tuner/landing.h"
#include "tuner/reload.h"
#include "tuner/run.h"
#include "tuner/unread.h"

/*
 * What comes in by a lease: signs of life, and answers. A lease is in force from the moment it is
 * given until its trial has an answer, the attempt has failed or its time is over. An answer that
 * comes later counts for nothing, because another attempt may have been made: it is kept in the
 * job's log as a note.
 */

static void extend(struct flight *flight)
{
	struct tuner *tuner = flight->run->tuner;
	int64_t ttl_ms = (int64_t)tuner->options.lease_ttl_ms;

	if (flight_is_pooled(flight)) {
		flight_renew(flight);
	} else if (flight->trial->accepted) {
		flight_extend(flight, ttl_ms);
	} else {
		flight->expires_at = io_wall_ms(tuner->io) + ttl_ms;
	}
}

int lease_beat(struct tuner *tuner, const char *lease_id, json_t *body, struct beat *ret,
	       struct err *reterr)
{
	struct flight *flight = flight_of_lease(tuner, lease_id);
	struct run *run = flight != NULL ? flight->run : NULL;
	json_t *strangers;
	struct early early;
	int rc;

	if (flight == NULL) {
		return err_set(reterr, ERR_GONE, "this lease is over: stop working on it");
	}
	extend(flight);
	strangers = early_strangers(body);
	if (json_array_size(strangers) > 0) {
		remark_strangers(run->job, strangers);
		run_wake(run);
	}
	json_decref(strangers);
	*ret = (struct beat){.go_on = true, .expires_at_ms = flight->expires_at};
	rc = early_read(body, flight->trial, &early, reterr);
	if (rc == 0 && early.progress.seen > 0) {
		flight->seen = early.progress.seen;
		flight->total = early.progress.total;
	}
	if (rc == 0 && early.verdict != VERDICT_OPEN) {
		landing_prune(flight, &early);
		ret->go_on = false;
		ret->run = run;
	}
	return rc;
}

enum { HASH_TEXT_SIZE = 24 };

/* Members may come in any order. Returns `ret`. */
static const char *hash_answer(const json_t *answer, char *ret)
{
	char *text = json_text_sorted(answer);
	uint64_t hash = 0;

	for (const char *c = text; *c != '\0'; c++) {
		hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
	}
	free(text);
	(void)snprintf(ret, HASH_TEXT_SIZE, "%016llx", (unsigned long long)rng_mix(hash));
	return ret;
}

/* Who keeps the lease may answer it right; who goes on like that is not asked any more. */
static void misjudged(struct flight *flight, const char *error)
{
	struct run *run = flight->run;
	struct workers *workers = &run->tuner->workers;
	const char *pool = flight_target(flight)->pool, *who = flight_who(flight);
	bool first = !run->job->strategy_ready, left_out = false;

	if (flight_is_pooled(flight)) {
		left_out = workers_misjudged(workers, pool, who, false,
					     (int64_t)run->tuner->options.evaluator_probe_ms);
	}
	if (first || left_out) {
		attempt_accuse(run, who, error, left_out && workers_has_other(workers, pool, who));
		run_flush(run, NULL, NULL, NULL);
	}
}

static int take(struct flight *flight, json_t *body, const char *hash, struct err *reterr)
{
	struct answer_expect expect = asking_expectation(flight);
	struct answer answer;
	int rc = answer_parse(body, &expect, &answer, reterr);

	if (rc == 0 && !answer.failed && flight_is_pooled(flight)) {
		(void)workers_misjudged(&flight->run->tuner->workers, flight_target(flight)->pool,
					flight_who(flight), true, 0);
	}
	if (rc == 0) {
		landing_take(flight, &answer, hash);
	} else if (answer.fault == ANSWER_NO_NUMBER) {
		attempt_fail(flight, &(struct attempt_end){.type = LOGGED_ATTEMPT_FAILED,
							   .error = reterr->message,
							   .hash = hash,
							   .retry_after_ms = -1});
		err_init(reterr);
		rc = 0;
	} else if (attempt_blames(flight, answer.fault)) {
		misjudged(flight, reterr->message);
	}
	if (rc != 0 && answer.fault == ANSWER_MISPLACED) {
		reterr->code = ERR_CONFLICT;
		rc = -(int)ERR_CONFLICT;
	}
	answer_finish(&answer);
	return rc;
}

const char *tuner_lease_of(const struct tuner *tuner, const char *job, int64_t number)
{
	const struct run *run = run_find(tuner, job);
	const struct trial *trial = run != NULL && number >= 0 && number < run->job->trial_count
					    ? run->job->trials[number]
					    : NULL;

	return trial != NULL && trial->state != TRIAL_ASKED && trial->lease[0] != '\0'
		       ? trial->lease
		       : NULL;
}

int lease_complete(struct tuner *tuner, const char *lease_id, json_t *body, struct run **ret_run,
		   struct err *reterr)
{
	struct flight *flight = flight_of_lease(tuner, lease_id);
	char hash[HASH_TEXT_SIZE];

	if (flight == NULL) {
		return err_set(reterr, ERR_GONE, "this lease is over");
	}
	*ret_run = flight->run;
	return take(flight, body, hash_answer(body, hash), reterr);
}

int lease_return(struct tuner *tuner, const char *lease_id, json_t *body, struct run **ret_run,
		 struct err *reterr)
{
	static const char *const members[] = {"reason", "detail", NULL};
	static const char *const reasons[] = {"stopping", "cannot", NULL};
	struct flight *flight = flight_of_lease(tuner, lease_id);
	struct json_at at = json_root(body, reterr);
	struct json_at reason = json_member(&at, "reason"), detail = json_member(&at, "detail");
	int which = json_required(&reason) ? json_choice(&reason, 0, reasons) : 0;
	const char *text = json_is_string(detail.value) ? json_string_value(detail.value) : "";
	int64_t probe_ms = (int64_t)tuner->options.evaluator_probe_ms;
	json_t *data;
	char *line;

	json_only(&at, members);
	if (detail.value != NULL && !json_is_string(detail.value)) {
		(void)json_fault(&detail, "a string is expected");
	}
	if (reterr->code != ERR_OK) {
		return -(int)reterr->code;
	}
	if (flight == NULL) {
		return err_set(reterr, ERR_GONE, "this lease is over");
	}
	line = buf_line(text, strlen(text), LIMIT_ERROR_TEXT_BYTES);
	data = json_pack("{s:s, s:s}", "reason", reasons[which], "detail",
			 line[0] != '\0' ? line : reasons[which]);
	free(line);
	if (which == 1 && flight_is_pooled(flight)) {
		workers_leave_out(&tuner->workers, flight_target(flight)->pool,
				  flight->trial->worker, flight->run->job->id,
				  io_mono_ms(tuner->io) + probe_ms);
	}
	*ret_run = flight->run;
	flight_give_back(flight, data);
	return 0;
}

static struct trial *trial_of(const struct tuner *tuner, const char *lease)
{
	return (struct trial *)map_get(&tuner->leases, lease, 0); /* NOLINT */
}

/* Somebody comes with a lease that is not in force. */
struct late {
	struct tuner *tuner;
	char *lease;    /* owned */
	json_t *answer; /* owned, or NULL */
	tuner_done_fn done;
	void *arg;
};

/* The job may be open still, and the lease one of its own. */
static void note_late(const struct late *late)
{
	struct trial *trial = trial_of(late->tuner, late->lease);
	struct run *run = trial != NULL ? run_find(late->tuner, trial->job->id) : NULL;
	char *text;
	bool fits;

	if (run == NULL || job_state_is_final(run->job->state)) {
		return;
	}
	text = json_text(late->answer);
	fits = strlen(text) <= LIMIT_LATE_ANSWER_BYTES;
	job_record(run->job, LOGGED_LATE_ANSWER, trial->number,
		   json_pack("{s:s, s:O}", "lease", late->lease, "answer",
			     fits ? late->answer : json_null()));
	/* One note for a lease: who keeps on sending gets no more. */
	map_remove(&late->tuner->leases, late->lease);
	run_wake(run);
	free(text);
}

/* What a lease is said to be by the store. */
enum { LEASE_ANSWER, LEASE_OPEN_JOB };

/* Of an open job that is not in memory nobody knows: before it is read, which may have happened by now, and once a stop
 * has let go of it. One that is gone from there otherwise has ended since the store was asked. */
static bool may_be_in_force(const struct late *late, const char *open_job)
{
	struct tuner *tuner = late->tuner;

	return open_job != NULL &&
	       (unread_find(tuner, open_job) != NULL || reload_is_due(tuner, open_job) ||
		(tuner->stopping && run_find(tuner, open_job) == NULL) ||
		flight_of_lease(tuner, late->lease) != NULL);
}

static int judge(const struct late *late, const struct store_rows *rows, struct err *reterr)
{
	const char *before = rows->count > 0 ? rows->cells[LEASE_ANSWER] : NULL;
	char hash[HASH_TEXT_SIZE];

	if (rows->count == 0) {
		return err_set(reterr, ERR_NOT_FOUND, "no lease has the id %.64s" TUNER_NO_LEASE,
			       late->lease);
	}
	if (late->answer != NULL && before != NULL) {
		return strcmp(before, hash_answer(late->answer, hash)) == 0
			       ? 0
			       : err_set(reterr, ERR_CONFLICT,
					 "the question has another answer already");
	}
	if (may_be_in_force(late, rows->cells[LEASE_OPEN_JOB])) {
		return late->tuner->stopping
			       ? err_set(reterr, ERR_DRAINING, "the daemon is stopping")
			       : unread_refuse(reterr);
	}
	if (late->answer != NULL) {
		note_late(late);
	}
	return err_set(reterr, ERR_GONE,
		       "this lease is over: its time was up, its question was handed on, or its "
		       "job has ended; stop working on it");
}

static void on_lease(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct late *late = arg;
	struct err why = *err;

	rc = rc == 0 ? judge(late, rows, &why) : rc;
	late->done(late->arg, rc, &why);
	json_decref(late->answer);
	free(late->lease);
	free(late);
}

static void read_lease(void *arg, int rc, const struct err *err)
{
	struct late *late = arg;
	struct store_value id = {.text = late->lease};

	if (rc != 0) {
		on_lease(late, rc, NULL, err);
		return;
	}
	(void)late->tuner->io->query(late->tuner->io->world, QUERY_LEASE, &id, 1, on_lease, late);
}

/* The store knows of every lease, once what the job has recorded by now is there. */
void lease_judge(struct tuner *tuner, const char *lease_id, json_t *answer, tuner_done_fn done,
		 void *arg)
{
	struct trial *trial = trial_of(tuner, lease_id);
	struct run *run = trial != NULL ? run_find(tuner, trial->job->id) : NULL;
	struct late *late = mem_new(1, sizeof(*late));

	*late = (struct late){tuner, mem_dup(lease_id), json_incref(answer), done, arg};
	if (run != NULL) {
		run_flush(run, NULL, read_lease, late);
	} else {
		read_lease(late, 0, NULL);
	}
}
