/*
 * Score questions that failed; part of the job, pure.
 */
#ifndef NARROWD_JOB_UNSCORED_H
#define NARROWD_JOB_UNSCORED_H

#include "job/job.h"

/* What the job is told when this score question failed for this reason: which one it was, why, and as what its
 * strategy goes on. The caller frees. */
char *unscored_text(const struct job *job, const struct trial *trial, const char *error);
/* Whether the strategy has nothing to go on as. */
bool unscored_is_fatal(const struct trial *trial);
/* Warns the job. Takes over `text`. */
void unscored_warn(struct job *job, char *text);

#endif
