/*
 * What a job has out and what it waits for, in words.
 *
 * Every function returns memory that the caller frees.
 */
#ifndef NARROWD_CLI_OUT_H
#define NARROWD_CLI_OUT_H

#include <jansson.h>
#include <stdbool.h>

/* Whether its questions wait in a pool to which no worker comes. */
bool out_lacks_workers(const json_t *job);
/* "evaluator down since 2026-03-02 09:00:00: connection refused", "no worker is there for pool gpu; to
 * start one: ..."; NULL when nothing keeps it waiting. */
char *out_waiting(const json_t *job);
/* "trial 17 (evaluate) at gpu-7 since 2026-03-02 09:00:00 (1m02s), attempt 2, after: no kernel" */
char *out_question(const json_t *job, const json_t *question);
/* The trial that is waited for while places are idle; there is one. */
char *out_waits_for(const json_t *job);
/* What `watch` says of all this: why nothing moves, else what is unusual about the oldest question that is out; NULL when
 * nothing is. `age_s` seconds have passed since the document came; NaN where the document does not say when it
 * was made, as those of lists. `whole`: with reasons, and with times of the clock,
 * which stay the same. */
char *out_note(const json_t *job, double age_s, bool whole);

#endif
