/*
 * Held jobs: open ones that this narrowd cannot read, because it would mean something else by their
 * log than the one that wrote it, or lacks their strategy.
 *
 * They are paused and say why. Nothing is asked for them and nothing ends them but a cancel; a later
 * start reads them again, and once it can they are jobs like others that were paused.
 */
#ifndef NARROWD_TUNER_HELD_H
#define NARROWD_TUNER_HELD_H

#include "tuner/tuner.h"

/* `version` is that of the job's newest event, `reason` why it is paused by now, or NULL. */
void held_keep(struct tuner *tuner, const char *job, int64_t version, const char *reason,
	       const struct err *why);
/* What tuner_control() does with a held job; false when it is none. */
bool held_control(struct tuner *tuner, const char *job, enum tuner_action action,
		  const struct store_key *key, tuner_done_fn done, void *arg);
void held_finish(struct tuner *tuner);

#endif
