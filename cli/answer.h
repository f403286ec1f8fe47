/*
 * Answers of a worker: what it sends for what its command did. The caller frees every text.
 */
#ifndef NARROWD_CLI_ANSWER_H
#define NARROWD_CLI_ANSWER_H

#include <stdbool.h>

#include "cli/child.h"
#include "cli/client.h"

/* What to send for what the command did: the last JSON object that has lines of its output to itself. The others, but for
 * signs of progress, go to standard error. */
char *answer_of(const struct child_output *output);
/* What to give the question back with, when that says nothing of it: the worker was stopped, or its command cannot be
 * run at all. NULL otherwise. */
char *answer_return(const struct child_output *output);
/* To give it back with because the worker is not able to answer. Takes over `detail`. */
char *answer_cannot(char *detail);
/* Whether the command cannot be run at all. */
bool answer_is_hopeless(const struct child_output *output);
/* That there is no answer. Takes over `error`. */
char *answer_failure(char *error, bool retryable);
/* The latest line that says how far the command is, as the body of a heartbeat. */
char *answer_progress(const char *output);
/* Whether a line of a process that goes on is its answer to the question of this lease, for better or worse: it begins like
 * an object, says no progress and names no other lease. Any other line goes to standard error. */
bool answer_is_line(const char *line, size_t length, const char *lease);
/* The first fault that the daemon found in an answer, "latency_ms is missing". */
char *answer_fault(const struct client_reply *reply);

#endif
