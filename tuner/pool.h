/*
 * Pools: where questions wait for workers; private to the tuner. Jobs with questions take turns, so that a long one
 * does not keep a short one waiting.
 */
#ifndef NARROWD_TUNER_POOL_H
#define NARROWD_TUNER_POOL_H

#include "tuner/parts.h"

/* The pool of this name, until it is released. */
struct pool *pool_join(struct tuner *tuner, const char *name);
/* Takes NULL. */
void pool_release(struct pool *pool);
/* The question waits for a worker from now on. */
void pool_offer(struct flight *flight);
/* It waits no more. Harmless when it does not. */
void pool_withdraw(struct flight *flight);
/* The job's questions may be had again, or not: it was resumed or paused. */
void pool_resume(struct run *run);
void pool_leave(struct run *run);

#endif
