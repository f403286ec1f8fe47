/*
 * Questions to a strategy's adviser: what it is sent, and what its answer means for the job.
 *
 * One advice_ask() is one attempt; retries are the flight's. Loop thread.
 */
#ifndef NARROWD_TUNER_ADVICE_H
#define NARROWD_TUNER_ADVICE_H

#include "tuner/run.h"

struct advice;

struct advice_result {
	json_t *data;      /* of trial_told, the callee's; NULL on failure */
	const char *error; /* on failure */
	bool retryable, unreachable;
	int64_t retry_after_ms; /* -1: none given */
};

typedef void (*advice_fn)(void *arg, const struct advice_result *result);

/* Calls back once unless cancelled, never from inside. The run outlives the call. */
struct advice *advice_ask(struct run *run, const struct trial *trial, advice_fn fn, void *arg);
/* Takes NULL. */
void advice_cancel(struct advice *advice);

#endif
