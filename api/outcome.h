/*
 * The outcome of a job: its row, parsed and kept while its trials are read, and its best config.
 */
#ifndef NARROWD_API_OUTCOME_H
#define NARROWD_API_OUTCOME_H

#include "api/document.h"

struct outcome {
	struct spec *spec;
	struct criterion criterion; /* for whom asks about another one; names are the spec's */
	json_t *job;                /* its document */
	char *job_text, *spec_text, *capability_text, *evaluator_text;
	char *text; /* of an answer in the making */
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
/* Adds to `best`, which it returns, what the trial says of it, its judgement and its config. */
json_t *outcome_complete(const struct outcome *outcome, json_t *best, const json_t *trial,
			 const json_t *changes);
/* The document of GET .../best, made of the best trial's row. New reference. */
json_t *outcome_best(const struct outcome *outcome, const struct store_rows *rows);
/* The config of changes as the log keeps them; NULL is the baseline's. New reference. */
json_t *outcome_config(const struct outcome *outcome, const json_t *changes);

#endif
