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
/* A number that is another one when it begins to wait for evaluators that are down, or for a place before it begins,
 * which wakes who watches; and when a question that is out is further, or no worker comes, which does not. 0 where none of these is said. */
int64_t tuner_live_mark(const struct tuner *tuner, const char *job);

#endif
