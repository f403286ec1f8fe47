/* Events of leases: who has a question, and that nobody has it any more. */
#include "job/fold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static void remember_lease(struct trial *trial)
{
	if (trial->lease[0] != '\0') {
		trial->past = mem_grow(trial->past, trial->past_count + 1, sizeof(*trial->past));
		memcpy(trial->past[trial->past_count++], trial->lease, ID_SIZE);
	}
}

int job_on_leased(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	const char *lease = json_string_value(json_object_get(data, "lease"));
	const char *worker = json_string_value(json_object_get(data, "worker"));
	json_int_t place = json_integer_value(json_object_get(data, "place"));

	if (lease == NULL || strlen(lease) >= sizeof(trial->lease) || trial->state > TRIAL_LEASED ||
	    place < 0 || place >= (json_int_t)job->spec->target_count) {
		return job_corrupt(reterr, "a lease of an answered question");
	}
	remember_lease(trial);
	(void)snprintf(trial->lease, sizeof(trial->lease), "%s", lease);
	free(trial->worker);
	trial->worker = worker != NULL ? mem_dup(worker) : NULL;
	trial->place = (int)place;
	trial->ttl_ms = json_integer_value(json_object_get(data, "ttl_ms"));
	trial->attempts = (int32_t)json_integer_value(json_object_get(data, "attempt"));
	trial->state = TRIAL_LEASED;
	trial->since_ms = job->now_ms;
	trial->accepted = false;
	return 0;
}

int job_on_accepted(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	(void)job;
	(void)data;
	(void)reterr;
	trial->accepted = true;
	return 0;
}

/* Who asks to be left alone for a while may do so for long, but not for ever. */
static void note_later(const struct job *job, struct trial *trial, bool later)
{
	if (!later) {
		trial->busy_ms = trial->put_off = 0;
		return;
	}
	trial->put_off++;
	trial->busy_ms = trial->busy_ms > 0 ? trial->busy_ms : job->now_ms;
}

int job_on_attempt_over(struct job *job, struct trial *trial, const json_t *data,
			struct err *reterr)
{
	const char *error = json_string_value(json_object_get(data, "error"));

	(void)reterr;
	trial->state = TRIAL_ASKED;
	trial->since_ms = job->now_ms;
	trial->accepted = false;
	free(trial->last_error);
	trial->last_error = error != NULL ? mem_dup(error) : NULL;
	trial->failures += !json_is_false(json_object_get(data, "counts"));
	note_later(job, trial, json_is_true(json_object_get(data, "later")));
	if (json_is_true(json_object_get(data, "waits"))) {
		job_retry_later(job, trial);
	}
	return 0;
}

int job_on_returned(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	const char *detail = json_string_value(json_object_get(data, "detail"));

	(void)reterr;
	trial->state = TRIAL_ASKED;
	trial->since_ms = job->now_ms;
	trial->attempts--;
	trial->accepted = false;
	if (detail != NULL) {
		free(trial->last_error);
		trial->last_error = mem_dup(detail);
	}
	return 0;
}
