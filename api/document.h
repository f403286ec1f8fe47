/*
 * Documents with a version: ETag, If-None-Match, If-Match and waiting for a change.
 */
#ifndef NARROWD_API_DOCUMENT_H
#define NARROWD_API_DOCUMENT_H

#include "api/call.h"

/*
 * Reads the job named by the first path parameter and calls `make` with its row (QUERY_JOB), after
 * conditions: an unchanged document is answered with 304 here, after waiting if the client prefers
 * to. Unknown jobs are 404.
 */
void document_of_job(struct call *call,
		     void (*make)(struct call *call, const struct store_rows *rows));

/* The same for who wants its spec alone: of what was submitted the row may have nothing. */
void document_of_space(struct call *call,
		       void (*make)(struct call *call, const struct store_rows *rows));

/* Answers with the document of a job, and what is to be said of this moment. */
void document_reply(struct call *call, int status, const char *text);

/* The ETag of that: of the version, and where it waits for somebody of that as well. Returns `ret`, of CALL_TAG_SIZE. */
char *document_tag(const struct call *call, const char *job, int64_t version, char *ret);

/* Whether a job in this state changes no more. */
bool document_is_final(const char *state);

/* Whether If-Match is absent or names `version`, weak tags too; otherwise answers 412. */
bool document_matches(struct call *call, int64_t version);

/* Whether what happens to the job of the path comes to the store alone: from another daemon, or until it is read. */
bool document_is_elsewhere(const struct call *call);
/* Another daemon has written to a job, or it is gone: nothing of it is remembered, and who waits for that is told. `arg` is the
 * server. */
void document_changed(void *arg, const char *job);
/* A job was deleted, or edited, perhaps after its end: nothing of it is remembered. `arg` is the server. */
void document_forget(void *arg, const char *job);

/* Answers for a job that is not open, given its row if there is one: 409 or 404. */
void document_not_open(struct call *call, const struct store_rows *rows);

/* The number of the trial named by the second path parameter; false after answering 404. */
bool document_trial(struct call *call, int64_t *ret_number);

/* Finds the spec of the job of a row of QUERY_JOB, which is taken over, or has it made beside the loop.
 * Then next(call) with call->spec, unless that is answered with an error. */
void document_with_spec(struct call *call, const struct store_rows *rows, call_fn *next);

#endif
