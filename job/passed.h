/*
 * Why a config that measured better is not the one that is handed over; part of the job, pure.
 *
 * Whoever reads the trials of a job sees one that meets the criterion and is faster than the best: `best` says why.
 */
#ifndef NARROWD_JOB_PASSED_H
#define NARROWD_JOB_PASSED_H

#include "base/buf.h"
#include "job/figures.h"

/*
 * Adds "; trial 12 measured 2.5 times as fast, but loses 1.3 % where 1 % is allowed on the acceptance data": of those that
 * were passed over for `choice`, whose figures these are, the one that measured best in the search. Nothing where there is
 * none, and under several objectives.
 */
void passed_words(const struct job *job, const struct trial *choice, const struct figures *figures,
		  struct buf *text);

#endif
