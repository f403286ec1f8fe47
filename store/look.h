/*
 * Looking at a data directory without changing it, for `narrowd doctor`: what a start would refuse, or pass over with a
 * line in the log. A daemon may be running on it.
 */
#ifndef NARROWD_STORE_LOOK_H
#define NARROWD_STORE_LOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Whether there is a database at all; one without a byte is none. */
bool look_is_there(const char *directory);
/* ERR_BUSY when a process holds the directory. */
int look_at_lock(const char *directory, struct err *reterr);
/* ERR_NEWER_SCHEMA, ERR_CORRUPT: not narrowd's, or changed by somebody else, as by triggers. */
int look_at_shape(const char *directory, struct err *reterr);
/* Whether what is sealed can be opened by the key in the file; NULL or "": narrowd.key in the directory. ERR_CONFIG. */
int look_at_key(const char *directory, const char *key_file, struct err *reterr);
/* ERR_CORRUPT when events that were stored are not there. */
int look_at_mark(const char *directory, struct err *reterr);
/* When the newest event was written by the wall clock, in ms; 0 when there is none. */
int look_at_newest(const char *directory, int64_t *ret_ms, struct err *reterr);
/* How many tokens can be used. */
int look_at_tokens(const char *directory, int64_t *ret_count, struct err *reterr);
/* When the last backup was complete, likewise. */
int64_t look_at_backup(const char *directory);
/* fn(arg, url) for each evaluator that is registered or that an open job names, without the query of its URL. */
int look_at_evaluators(const char *directory, void (*fn)(void *arg, const char *url), void *arg,
		       struct err *reterr);

/* fn(arg, path, mode, owner) for the directory and each file in it that is narrowd's. */
void look_at_files(const char *directory,
		   void (*fn)(void *arg, const char *path, unsigned mode, unsigned owner),
		   void *arg);

#endif
