/*
 * What would be best if another loss were tolerable: chosen anew from what a job has measured.
 */
#ifndef NARROWD_API_TOLERANCE_H
#define NARROWD_API_TOLERANCE_H

#include "api/outcome.h"

/* Answers GET .../best?tolerable_loss=, of a call whose state is the job's outcome. */
void tolerance_reply(struct call *call);
/* Whether the loss that is asked about is the job's own: its own best is the answer then. */
bool tolerance_is_own(const struct call *call);

#endif
