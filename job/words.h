/*
 * What a job says of its best config: in members that programs read, and in one sentence that a person
 * can act on; part of the job, pure.
 */
#ifndef NARROWD_JOB_WORDS_H
#define NARROWD_JOB_WORDS_H

#include "base/buf.h"
#include "job/figures.h"

/* Data of new_best by the second rules. `ended`: the end game is over. New reference. */
json_t *words_best_data(const struct job *job, const struct trial *trial, bool ended);
/* Why a config is not handed over that was measured again: by how much it loses too much, and on which data. The caller frees. */
char *words_rejection(const struct job *job, const struct trial *trial);
/* Why the baseline is to be kept instead of this config, as docs/jobs.md names it, or NULL. */
const char *words_keep_because(const struct job *job, const struct trial *trial,
			       const struct figures *figures, bool ended);
/* The sentence; the caller frees. */
char *words_verdict(const struct job *job, const struct trial *trial, const struct figures *figures,
		    const char *keep_because);
/* What an operator is lowered to by a choice: the data type of its weights or its precision; NULL for
 * fp32. */
const char *words_format(const struct space *space, size_t op, const uint16_t *choices);

/* A loss that is given as a share of what may be lost: "0.41 % where 1 % is allowed", "nothing". */
void words_share(const struct criterion *criterion, double share, struct buf *text);

/* "loses 0.41 % where 1 % is allowed", "loses no accuracy" */
void words_loss(const struct job *job, const struct figures *figures, struct buf *text);

/* What would make measurements scatter less. Static. */
const char *words_calmer(const struct job *job);

/* Why a job ends for `reason`, one of those of job_exit_reason(), in words, which agree with what `best` says. `judged`: the
 * end game has said what it makes of the choice. The caller frees. */
char *words_exit(const struct job *job, const char *reason, bool judged);

#endif
