/*
 * Questions to a strategy's adviser: what it is sent, and what its answer means for the job.
 *
 * One advice_ask() is one attempt; retries are the flight's. Loop thread.
 */
#ifndef NARROWD_TUNER_ADVICE_H
#define NARROWD_TUNER_ADVICE_H

#include "tuner/parts.h"

struct advice_result;
typedef void (*advice_fn)(void *arg, const struct advice_result *result);

/* What every adviser's call begins with. */
struct advice {
	const struct advice_ops *ops;
	struct run *run;
	const struct trial *trial;
	advice_fn fn;
	void *arg;
};

struct advice_ops {
	size_t size; /* of what begins with a struct advice */
	void (*ask)(struct advice *advice);
	void (*cancel)(struct advice *advice); /* the caller frees it */
};

struct advice_result {
	json_t *data;      /* of trial_told, the callee's; NULL on failure */
	const char *error; /* on failure */
	bool retryable;
	bool later;             /* as of struct endpoint_result */
	int64_t retry_after_ms; /* -1: none given */
};

/* Calls back once unless cancelled, never from inside. The run outlives the call. */
struct advice *advice_ask(struct run *run, const struct trial *trial, advice_fn fn, void *arg);
/* Takes NULL. */
void advice_cancel(struct advice *advice);

/* For advisers: "<job>.<trial>", the same for every attempt. `key` has ADVICE_KEY_SIZE bytes. */
enum { ADVICE_KEY_SIZE = ID_SIZE + 24 };
char *advice_key(const struct advice *advice, char *key);
/* For advisers: the call is over. Frees it. */
void advice_end(struct advice *advice, const struct advice_result *result);

extern const struct advice_ops advice_remote, advice_sigopt;

#endif
