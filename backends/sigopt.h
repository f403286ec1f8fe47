/*
 * A client of SigOpt's API: one request and its answer, as the published server understands them.
 *
 * Facts are from that server's source (sigopt-server: handlers, net/errors.py, ratelimit): creates
 * answer 200, errors are {"message", "status"}, 429 comes without Retry-After, and there are no
 * idempotency keys: who repeats a POST must look first whether it was carried out. Loop thread.
 */
#ifndef NARROWD_BACKENDS_SIGOPT_H
#define NARROWD_BACKENDS_SIGOPT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/fetch.h"
#include "base/secret.h"

struct sigopt_call;

/* Borrowed by every call until it is over. */
struct sigopt {
	const char *base_url; /* without "/v1" */
	const struct secret *token;
	uint64_t connect_timeout_ms;
	uint64_t timeout_ms;
};

struct sigopt_reply {
	json_t *body; /* borrowed, an object; NULL on failure */
	bool retryable;
	int64_t retry_after_ms; /* -1: none given */
	const struct err *err;  /* on failure */
};

typedef void (*sigopt_fn)(void *arg, const struct sigopt_reply *reply);

/* `path` begins with "/v1/". `body` may be NULL. Calls back once unless cancelled, never from
 * inside. Retryable are 429, 502, 503, 504 and broken connections. */
struct sigopt_call *sigopt_send(struct fetch *fetch, const struct sigopt *sigopt,
				const char *method, const char *path, const json_t *body,
				sigopt_fn fn, void *arg);
/* Takes NULL. */
void sigopt_cancel(struct sigopt_call *call);

enum { SIGOPT_ID_SIZE = 24 };
/* The member, an id: decimal digits as a string, or an integer. False when it is neither. */
bool sigopt_id(const json_t *object, const char *member, char *ret);

#endif
