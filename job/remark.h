/*
 * What an answer says besides its numbers; part of the job, pure.
 */
#ifndef NARROWD_JOB_REMARK_H
#define NARROWD_JOB_REMARK_H

#include "job/job.h"

/* How often the trial's config, or the baseline, was asked for and measured before. */
int64_t remark_repeat(const struct trial *trial);
/* Adds to `data`, which becomes the trial's result, what the answer says of how it was measured, and
 * records the warnings that follow from the answer. */
void remark_answer(struct job *job, const struct trial *trial, const struct answer *answer,
		   json_t *data);
/* The job is warned of these members, {pointer, ...}, unless it was before. */
void remark_strangers(struct job *job, const json_t *strangers);

#endif
