/* Edits of jobs that are over; private to the tuner. */
#ifndef NARROWD_TUNER_FINAL_H
#define NARROWD_TUNER_FINAL_H

#include "tuner/parts.h"

/* Records a change, or says why not; may be called several times. Loop thread. */
typedef int final_fn(struct job *job, void *arg, struct err *reterr);
/*
 * Reads a job that has ended, lets `change` record events, and appends these. `arg` (of mem.h, or NULL)
 * is taken over and given to forget(). A job that is not `whole` has its state, its version and its
 * settings, but no trials. done: as change() said; -ERR_NOT_FOUND; -ERR_WRONG_STATE when the job cannot
 * be read; -ERR_OVERLOADED when it is open after all.
 */
void final_change(struct tuner *tuner, const char *job, bool whole, final_fn *change, void *arg,
		  loop_fn forget, const struct store_key *key, tuner_done_fn done, void *done_arg);

#endif
