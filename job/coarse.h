/*
 * Whether a choice was measured on so few samples that chance may have chosen it; part of the job, pure.
 *
 * An accuracy that is a share of right answers comes in steps, one for each sample. How many samples there were nobody
 * tells the daemon; the accuracies do.
 */
#ifndef NARROWD_JOB_COARSE_H
#define NARROWD_JOB_COARSE_H

#include "job/job.h"

/*
 * The least number of samples, at least 2, of which all of these accuracies are whole shares; 0 where there is none
 * up to `most`, or where fewer than three different accuracies say so. `whole`: the accuracy of all samples being right,
 * 1 or 100. What evaluators round to six digits is still a share.
 */
int64_t coarse_samples(const double *accuracies, size_t count, double whole, int64_t most);
/*
 * The chance of a config that truly loses half as much again as may be lost to look as good as one that loses `lost` steps
 * where `allowed` may be: what flips is at least what is lost, and flips by itself, so that its spread is the root of that.
 */
double coarse_chance(double lost, double allowed);
/*
 * What that makes of the choice, in words that the caller frees: that one sample is more than what may be lost, or else that
 * chance may have chosen it. NULL where chance hardly reaches so far, where other data has judged the choice, and where it
 * is not handed over.
 */
char *coarse_choice(const struct job *job, const struct trial *choice);

#endif
