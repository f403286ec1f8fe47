/*
 * Whether what a job started warm from was measured as this job measures; part of the job, pure.
 */
#ifndef NARROWD_JOB_WARM_H
#define NARROWD_JOB_WARM_H

#include "job/job.h"

/*
 * Warns the job, whose baseline has just been measured, where the baseline of the job that it started warm
 * from differs by more than noise does: an objective by more than a factor of 1.5; an accuracy by more than
 * five times what may be lost and a twentieth of itself, or by what may be lost and a factor of 1.5.
 */
void warm_compare(struct job *job);

#endif
