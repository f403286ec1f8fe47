/*
 * A line of JSON for each answered question, so that tests can compare what the tuner says that it
 * asked with what it did ask:
 *
 *	{"key": "<Idempotency-Key>", "question": "evaluate", "attempt": 1, "config": "<hash>",
 *	 "failed": false}
 *
 * The hash is FNV-1a, 64 bits, of the config as compact JSON with sorted keys. Members that the
 * question does not have are null.
 */
#ifndef DIGITS_LEDGER_H
#define DIGITS_LEDGER_H

#include <jansson.h>

#include "fault.h"

struct ledger {
	int fd;
};

/* Opens the file for appending; a NULL path makes a ledger that keeps nothing. */
int ledger_init(struct ledger *ledger, const char *path, struct fault *fault);
void ledger_finish(struct ledger *ledger);

/* Adds a line, in one write, before the answer leaves. Returns 0, or -1 and `fault`. */
int ledger_add(struct ledger *ledger, const char *key, const char *question, const json_t *body,
	       const json_t *answer, struct fault *fault);

#endif
