/*
 * What a job's document says of this very moment; no event says it, because it changes by itself. It may be ahead of
 * the log by what is being written.
 */
#ifndef NARROWD_TUNER_LIVE_H
#define NARROWD_TUNER_LIVE_H

#include <jansson.h>
#include <stdbool.h>

#include "tuner/tuner.h"

/* Fills in progress.out, .waiting and .waits_for and clock of an open job's document; with `now` budget.elapsed_s, too, which
 * never stands still. */
void tuner_live(const struct tuner *tuner, const char *id, bool now, json_t *document);
/* A number that tells how long it has waited for evaluators that are down, or for a place before it begins; 0 while it
 * waits for neither: a change wakes who watches. */
int64_t tuner_waits_since(const struct tuner *tuner, const char *job);

#endif
