/* Answers to callers that need no write; private to the tuner. */
#ifndef NARROWD_TUNER_REPLY_H
#define NARROWD_TUNER_REPLY_H

#include "tuner/parts.h"

/* `err` through the callback, in a later turn of the loop. */
void reply_later(struct tuner *tuner, const struct err *err, tuner_done_fn done, void *arg);

#endif
