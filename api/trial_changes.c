/* What people do to trials of a job: to one of them by its route, or to several at once. */
#include "api/document.h"
#include "api/idempotency.h"
#include "api/resources.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"

/* What a call is about; state of the call. */
struct changes {
	int64_t *numbers; /* owned; NULL: all that failed */
	size_t count;
	const char *reason; /* of the body; NULL: no reason is given */
};

static void destroy_changes(void *arg)
{
	struct changes *changes = arg;

	free(changes->numbers);
	free(changes);
}

static void read_numbers(const struct json_at *list, struct changes *changes)
{
	if (!json_is_array_at(list, LIMIT_TRIALS_CHANGED)) {
		return;
	}
	changes->count = json_array_size(list->value);
	changes->numbers = mem_new(changes->count + 1, sizeof(*changes->numbers));
	if (changes->count == 0) {
		(void)json_fault(list, "is empty: name a trial");
	}
	for (size_t i = 0; i < changes->count; i++) {
		struct json_at number = json_item(list, i);

		changes->numbers[i] = json_int(&number, 0, 0, INT64_MAX);
	}
}

/*
 * The trial of the route, or "trials" of the body where the route names none. False after an answer.
 */
static bool read_changes(struct call *call, bool wants_reason, bool wants_trials)
{
	static const char *const members[] = {"reason", "trials", NULL};
	bool several = call->params[1][0] == '\0';
	const char *const allowed[] = {wants_reason ? members[0]
				       : several    ? members[1]
						    : NULL,
				       wants_reason && several ? members[1] : NULL, NULL};
	struct changes *changes = mem_new(1, sizeof(*changes));
	struct json_at at, reason, trials;
	struct err err;

	call->state = changes;
	call->state_destroy = destroy_changes;
	if (!several) {
		changes->numbers = mem_new(1, sizeof(*changes->numbers));
		changes->count = 1;
		if (!document_trial(call, changes->numbers)) {
			return false;
		}
	}
	err_init(&err);
	at = json_root(call->body, &err);
	reason = json_member(&at, "reason");
	trials = json_member(&at, "trials");
	if (call->body != NULL) {
		json_only(&at, allowed);
	}
	if (wants_reason && json_required(&reason)) {
		changes->reason = json_string_in(&reason, NULL, LIMIT_REASON_BYTES);
	}
	if (several && (wants_trials ? json_required(&trials) : trials.value != NULL)) {
		read_numbers(&trials, changes);
	}
	if (err.code != ERR_OK) {
		call_fail(call, &err);
	}
	return err.code == ERR_OK;
}

static const struct store_key *begin(struct call *call)
{
	(void)snprintf(call->id, sizeof(call->id), "%s", call->params[0]);
	call_ref(call);
	return idempotency_key(call, 200, NULL);
}

static void retry(struct call *call)
{
	const struct changes *changes = call->state;
	const struct tuner_trials trials = {changes->numbers, changes->count};

	tuner_retry(call->server->tuner, call->params[0], changes->numbers != NULL ? &trials : NULL,
		    begin(call), jobs_on_changed, call);
}

void trials_retry(struct call *call)
{
	if (read_changes(call, false, false)) {
		idempotency_run(call, retry);
	}
}

static void give_up(struct call *call)
{
	const struct changes *changes = call->state;

	tuner_give_up(call->server->tuner, call->params[0], changes->numbers[0], begin(call),
		      jobs_on_changed, call);
}

void trials_give_up(struct call *call)
{
	if (read_changes(call, false, true)) {
		idempotency_run(call, give_up);
	}
}

static void exclude(struct call *call)
{
	const struct changes *changes = call->state;
	const struct tuner_trials trials = {changes->numbers, changes->count};

	tuner_exclude(call->server->tuner, call->params[0], &trials, changes->reason, begin(call),
		      jobs_on_edited, call);
}

void trials_exclude(struct call *call)
{
	if (read_changes(call, true, true)) {
		idempotency_run(call, exclude);
	}
}

void trials_include(struct call *call)
{
	if (read_changes(call, false, true)) {
		idempotency_run(call, exclude);
	}
}
