/*
 * A push evaluator: a URL that is asked over HTTP and answers at once (200) or later (202).
 *
 * One endpoint_ask() is one attempt. Who retries, when, and what an answer means is the tuner's.
 * Loop thread.
 */
#ifndef NARROWD_BACKENDS_ENDPOINT_H
#define NARROWD_BACKENDS_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "backends/answer.h"
#include "backends/fetch.h"
#include "base/err.h"
#include "base/secret.h"

struct endpoint_call;

/* Borrowed by every call until it is over, but for secret, ca and headers: these are used before asking returns. */
struct endpoint {
	const char *who;      /* in messages; NULL: "evaluator" */
	const char *url;      /* base; "/evaluate" and its like are added to its path */
	struct secret secret; /* signs requests (Standard Webhooks) when set */
	const char *ca;       /* see struct fetch_request */
	const struct fetch_header *headers; /* sent with the daemon's own */
	size_t header_count;                /* at most LIMIT_EVALUATOR_HEADERS */
	uint64_t connect_timeout_ms;
	uint64_t timeout_ms; /* of one attempt */
};

enum endpoint_outcome {
	ENDPOINT_ANSWERED, /* answer holds it, checked */
	ENDPOINT_ACCEPTED, /* 202: it will come by callback */
	ENDPOINT_FAILED,   /* this attempt failed; see err, retryable, retry_after_ms */
};

struct endpoint_result {
	enum endpoint_outcome outcome;
	const struct answer *answer; /* borrowed; only with ENDPOINT_ANSWERED of endpoint_ask() */
	json_t *body;                /* borrowed; what the answer was read from */
	enum answer_fault fault;     /* why an answer that came could not be used */
	bool retryable;
	bool later;             /* it asks to be left alone for a while */
	bool broken;            /* it speaks of the evaluator: see below */
	bool blameless;         /* ... and the question has certainly nothing to do with it */
	int64_t retry_after_ms; /* -1: none given */
	const struct err *err;
	uint64_t elapsed_ms;
};

struct endpoint_question {
	const char *path; /* "/evaluate", "/baseline", "/score", ... */
	const char *body; /* JSON, copied */
	size_t length;
	const char *idempotency_key; /* "<job>.<trial>", the same for every attempt; copied */
	struct answer_expect
		expect; /* for endpoint_ask(); its lists are borrowed until it is over */
};

typedef void (*endpoint_fn)(void *arg, const struct endpoint_result *result);
/* `capability` is borrowed: json_incref() it to keep it. NULL with err set on failure. */
typedef void (*endpoint_capability_fn)(void *arg, json_t *capability, const struct err *err);

/*
 * POST {url}/{path}. All call back exactly once unless cancelled, never from inside. Time-outs,
 * broken connections, 408, 425, 429 and 5xx are retryable; Retry-After counts with 429 and 503, up
 * to an hour. Broken is what cannot be reached, gives no answer or says that it does not
 * take such questions; a question that arrived and was not answered may have been what broke it.
 */
struct endpoint_call *endpoint_ask(struct fetch *fetch, const struct endpoint *endpoint,
				   const struct endpoint_question *question, endpoint_fn fn,
				   void *arg);
/* For questions whose answer is some other JSON object, which the callee checks. */
struct endpoint_call *endpoint_ask_json(struct fetch *fetch, const struct endpoint *endpoint,
					const struct endpoint_question *question, endpoint_fn fn,
					void *arg);
struct endpoint_call *endpoint_capability(struct fetch *fetch, const struct endpoint *endpoint,
					  endpoint_capability_fn fn, void *arg);
/* No callback afterwards. Takes NULL. */
void endpoint_cancel(struct endpoint_call *call);

#endif
