/* Results of questions that were out; private to the tuner. */
#ifndef NARROWD_TUNER_LANDING_H
#define NARROWD_TUNER_LANDING_H

#include "job/early.h"
#include "tuner/parts.h"

/* The data of trial_told; taken over. */
void landing_tell(struct flight *flight, json_t *data);
/* An answer that was checked. `hash` of its text when it came by itself, or NULL. */
void landing_take(struct flight *flight, const struct answer *answer, const char *hash);
/* The trial misses its criterion by what is known of it so far. */
void landing_prune(struct flight *flight, const struct early *early);

#endif
