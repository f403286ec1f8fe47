/*
 * The outcome of a job: its row, parsed and kept while its trials are read, and its best config.
 */
#ifndef NARROWD_API_OUTCOME_H
#define NARROWD_API_OUTCOME_H

#include "api/document.h"

struct outcome {
	struct spec *spec;
	json_t *job; /* its document */
	char *job_text, *evaluator_text;
	char *spec_text, *capability_text; /* NULL where only the spec was wanted */
	char *text;                        /* of an answer in the making */
	call_fn *next;
};

/* Keeps the job of a row of QUERY_JOB, which is taken over, as the call's state; then next(call), unless
 * that is answered with an error. */
void outcome_keep(struct call *call, const struct store_rows *rows, call_fn *next);
void outcome_finish(struct outcome *outcome);

/* Reads the best trial (QUERY_TRIAL), for `next`: trial 0 until a config was measured. False before
 * the baseline was. */
bool outcome_read_best(struct call *call, void (*next)(struct call *, const struct store_rows *));
/* Answers that there is no best config, not even the baseline. */
void outcome_no_best(struct call *call);
/* The document of GET .../best, made of the best trial's row, as text; the caller frees. NULL without memory. */
char *outcome_best(const struct outcome *outcome, const struct store_rows *rows);
/* A document with a config as its last member, as text; the caller frees. NULL without memory. */
char *outcome_text(const json_t *document, const struct spec *spec, const struct config *config,
		   bool only_changes);
/* The config of changes as the log keeps them, as text; NULL is the baseline's. New reference. */
json_t *outcome_config(const struct outcome *outcome, const char *changes);

#endif
