/*
 * The projections: which rows an event changes, as SQL.
 *
 * One table says for every type of event what it does to `job` and `trial`. The writer runs it in
 * the event's transaction, and store_verify() runs it over the whole log into temporary tables of
 * the same names; so a projection is what its events say, whoever asks.
 */
#ifndef NARROWD_STORE_PROJECT_H
#define NARROWD_STORE_PROJECT_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "log/event.h"

enum project_statement {
	PROJECT_JOB, /* the row of a new submission */
	PROJECT_VERSION,
	PROJECT_CREATED,
	PROJECT_STATE,
	PROJECT_EDIT,
	PROJECT_STAGE,
	PROJECT_REOPEN,
	PROJECT_ASK_COUNT,
	PROJECT_ASK,
	PROJECT_LEASE,
	PROJECT_UNLEASE,
	PROJECT_RETURN,
	PROJECT_LEASE_GIVEN,
	PROJECT_LEASE_OVER,
	PROJECT_LEASE_TOLD,
	PROJECT_TELL_COUNT,
	PROJECT_TELL,
	PROJECT_PRUNE,
	PROJECT_RANK,
	PROJECT_FAIL_COUNT,
	PROJECT_FAIL,
	PROJECT_UNTELL_COUNT,
	PROJECT_RETRY,
	PROJECT_EXCLUDE,
	PROJECT_INCLUDE,
	PROJECT_REJECT,
	PROJECT_ASK_REJECTED,
	PROJECT_NO_BEST,
	PROJECT_CANCEL_COUNT,
	PROJECT_CANCEL,
	PROJECT_IMPORT_COUNT,
	PROJECT_IMPORT,
	PROJECT_JUDGE,
	PROJECT_BASELINE,
	PROJECT_BEST,
	PROJECT_WARN,
	PROJECT_HINT,
	PROJECT_STATEMENTS_,
};

/* One connection's statements; belongs to the connection's thread. */
struct project {
	sqlite3 *db; /* borrowed */
	sqlite3_stmt *statements[PROJECT_STATEMENTS_];
};

/* An event as the statements see it; all borrowed. */
struct project_event {
	const char *job;
	int64_t n;
	const struct log_event *is;
};

/* Prepares every statement. On failure there is nothing to finish. */
int project_init(struct project *project, sqlite3 *db, struct err *reterr);
void project_finish(struct project *project);

/* Adds the job's row as it is before its first event. `head` as in struct store_job. */
int project_job(struct project *project, const char *job, const char *head, struct err *reterr);
/*
 * Applies one event. ERR_WRONG_STATE when the trial that it is about cannot take it (a trial is told
 * once), ERR_INTERNAL for a type that is not in the table or data that lacks what it needs. After
 * a failure the caller rolls back: part of the event may have been applied.
 */
int project_apply(struct project *project, const struct project_event *event, struct err *reterr);

#endif
