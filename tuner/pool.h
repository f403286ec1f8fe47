/*
 * Pools: where questions wait for workers and workers for questions; private to the tuner.
 *
 * Jobs with questions take turns, so that a long one does not keep a short one waiting; workers are
 * served in the order in which they came. A lease is on disk before the worker hears of it, and goes
 * back to the pool when the worker is gone by then.
 */
#ifndef NARROWD_TUNER_POOL_H
#define NARROWD_TUNER_POOL_H

#include "tuner/flight.h"

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
/* Nothing is given any more: answers everybody who waits. */
void pools_stop(struct tuner *tuner);

#endif
