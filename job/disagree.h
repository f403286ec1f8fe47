/*
 * Whether what was measured in the end game contradicts the first measurement of the same; part of the job, pure.
 */
#ifndef NARROWD_JOB_DISAGREE_H
#define NARROWD_JOB_DISAGREE_H

#include "job/job.h"

/* What repeats of the choice's first measurement make of it when they differ by more than the noise
 * allows, in words that the caller frees; NULL when they do not, or when there was no end game. */
char *disagree_choice(const struct job *job, const struct trial *choice);
/* The same of the baseline, by which the search judged what it measured: the evaluator's machine has become another. */
char *disagree_baseline(const struct job *job, const struct trial *choice);

#endif
