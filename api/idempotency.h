/*
 * Idempotency keys: a POST that comes again under its key gets the first one's answer.
 *
 * While the first request runs its key is in memory; its answer is stored in the same transaction
 * as what the request did, so that after a crash either both are there or neither is.
 */
#ifndef NARROWD_API_IDEMPOTENCY_H
#define NARROWD_API_IDEMPOTENCY_H

#include "api/call.h"

/* Calls go(call) unless the request has a key that was used before: then it answers itself. */
void idempotency_run(struct call *call, call_fn *go);
/* The key to store with the effect, or NULL. Borrows `location`, which may be NULL. */
const struct store_key *idempotency_key(struct call *call, int status, const char *location);
/* The request is over; its key is free to be looked up. */
void idempotency_end(struct call *call);

#endif
