/* Jobs are read back from their logs: at start, and when what was recorded could not be stored; private to the tuner. */
#ifndef NARROWD_TUNER_RELOAD_H
#define NARROWD_TUNER_RELOAD_H

#include "tuner/parts.h"

/* Reads the job again from the store, now or as soon as that works. */
void reload_later(struct tuner *tuner, const char *job);
/* Whether that is still to come. */
bool reload_is_due(const struct tuner *tuner, const char *job);
/* Has threads of the pool read what is next, as many as may do so. */
void reload_more(struct tuner *tuner);
/* Reads no more; who waits for a job that is not read need not. */
void reload_stop(struct tuner *tuner);
void reload_init(struct tuner *tuner);
void reload_finish(struct tuner *tuner);
/* The job as its log leaves it; `cells` are its spec, capability and evaluator. NULL when they cannot
 * be read, or the strategy is not there any more. Any thread. */
struct job *reload_read(const struct tuner_io *io, const char *id, char *const *cells,
			struct err *reterr);

#endif
