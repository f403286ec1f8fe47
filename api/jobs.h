/*
 * Submissions, of which a clone is one.
 */
#ifndef NARROWD_API_JOBS_H
#define NARROWD_API_JOBS_H

#include "api/call.h"

/* Submits the call's body. On the loop. */
void jobs_submit_body(struct call *call);
/* Does `run` once for each Idempotency-Key, unless the daemon is stopping. On the loop. */
void jobs_submit_once(struct call *call, call_fn *run);

#endif
