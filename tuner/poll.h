/*
 * Workers that come for questions (tuner_lease_poll()); private to the tuner.
 *
 * They are served in the order in which they came. A lease is on disk before the worker hears of it, and goes
 * back to the pool when the worker is gone by then.
 */
#ifndef NARROWD_TUNER_POLL_H
#define NARROWD_TUNER_POLL_H

#include "tuner/parts.h"

/* Gives what is due in the pool to those who wait there. */
void poll_serve(struct pool *pool);
/* Nothing is given any more: answers everybody who waits. */
void poll_stop_all(struct tuner *tuner);

#endif
