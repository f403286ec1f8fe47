#include "tuner/flight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "tuner/early.h"
#include "tuner/workers.h"

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
		flight_extend(flight, flight->trial->ttl_ms);
		workers_seen(&tuner->workers, flight->run->job->spec->targets[0].pool,
			     flight->trial->worker);
	} else if (flight->trial->accepted) {
		flight_extend(flight, ttl_ms);
	} else {
		flight->expires_at = clock_wall_ms() + ttl_ms;
	}
}

int lease_beat(struct tuner *tuner, const char *lease_id, json_t *body, struct beat *ret,
	       struct err *reterr)
{
	struct flight *flight = flight_of_lease(tuner, lease_id);
	struct run *run = flight != NULL ? flight->run : NULL;
	struct early early;
	int rc;

	if (flight == NULL) {
		return err_set(reterr, ERR_GONE, "this lease is over: stop working on it");
	}
	extend(flight);
	*ret = (struct beat){.go_on = true, .expires_at_ms = flight->expires_at};
	rc = early_read(body, flight->trial, &early, reterr);
	if (rc == 0 && early.verdict != VERDICT_OPEN) {
		flight_prune(flight, &early);
		ret->go_on = false;
		ret->run = run;
	}
	return rc;
}

static uint64_t hash_text(const char *text)
{
	uint64_t hash = 0;

	for (const char *c = text; *c != '\0'; c++) {
		hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
	}
	return rng_mix(hash);
}

/* An answer to a question that has one from the same lease: fine when it is the very same. */
static int judge_repeat(const struct trial *trial, uint64_t hash, struct err *reterr)
{
	const char *before = json_string_value(json_object_get(trial->told, "answer"));
	char text[24];

	(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)hash);
	if (before == NULL || strcmp(before, text) != 0) {
		return err_set(reterr, ERR_CONFLICT, "the question has another answer already");
	}
	return 0;
}

/* One note for a lease: who keeps on sending gets no more. */
static void note_late(struct run *run, const struct trial *trial, const char *lease, json_t *body,
		      const char *text)
{
	bool fits = strlen(text) <= LIMIT_LATE_ANSWER_BYTES;

	job_record(run->job, "late_answer", trial->number,
		   json_pack("{s:s, s:O}", "lease", lease, "answer", fits ? body : json_null()));
	map_remove(&run->tuner->leases, lease);
}

static int take(struct flight *flight, json_t *body, uint64_t hash, struct err *reterr)
{
	struct answer_expect expect = flight_expectation(flight);
	struct answer answer;
	int rc = answer_parse(body, &expect, &answer, reterr);

	if (rc == 0) {
		flight_take_answer(flight, &answer, hash);
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
	struct trial *trial = (struct trial *)map_get(&tuner->leases, lease_id, 0); /* NOLINT */
	struct run *run = trial != NULL ? run_find(tuner, trial->job->id) : NULL;
	struct flight *flight = flight_of_lease(tuner, lease_id);
	char *text = json_dumps(body, JSON_COMPACT | JSON_SORT_KEYS);
	int rc;

	*ret_run = run;
	if (flight != NULL) {
		rc = take(flight, body, hash_text(text), reterr);
	} else if (run != NULL && trial->state == TRIAL_TOLD &&
		   strcmp(trial->lease, lease_id) == 0) {
		rc = judge_repeat(trial, hash_text(text), reterr);
	} else {
		if (run != NULL) {
			note_late(run, trial, lease_id, body, text);
			run_wake(run);
		}
		rc = err_set(reterr, ERR_GONE,
			     "this lease is over: its time was up, its question was handed on, "
			     "or its job has ended");
	}
	free(text);
	return rc;
}
