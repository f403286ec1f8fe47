/*
 * A job that is ready to be submitted: see struct prepared in tuner.h, where its other functions are.
 */
#ifndef NARROWD_TUNER_PREPARED_H
#define NARROWD_TUNER_PREPARED_H

#include <stdatomic.h>

#include <jansson.h>

#include "store/store.h"
#include "tuner/io.h"

struct prepared;

/* Adds what the library has for the job to its body, where it begins with that: any thread but the loop's, blocks until
 * *stop at the longest. */
void prepared_look(const struct tuner_io *io, struct prepared *prepared, const atomic_bool *stop);
/* Takes what the job to start warm from has found, rows of QUERY_ANSWERED. Any thread. */
void prepared_remember(struct prepared *prepared, const struct store_rows *rows);
/* Takes the baseline of that job out of its document, a row of QUERY_JOB. Any thread. */
void prepared_take_baseline(struct prepared *prepared, const char *document);
/* What a job needs of a registered evaluator, a row of QUERY_EVALUATOR. New reference. */
json_t *prepared_registered(const struct store_rows *rows);

#endif
