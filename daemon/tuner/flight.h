/*
 * Answers that arrive from outside instead of as the reply to a question; private to the tuner.
 */
#ifndef NARROWD_TUNER_FLIGHT_H
#define NARROWD_TUNER_FLIGHT_H

#include "tuner/run.h"

/* Records the answer to a leased question. `ret_run` is the job's run, or NULL. */
int flight_complete(struct tuner *tuner, const char *lease_id, json_t *body, struct run **ret_run,
		    struct err *reterr);

#endif
