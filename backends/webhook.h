/*
 * A webhook's receiver: a URL that is told of something, and that answers with a status.
 *
 * One webhook_send() is one attempt, signed as the Standard Webhooks specification says. Who retries,
 * and when, is the courier's (courier/courier.h). Loop thread.
 */
#ifndef NARROWD_BACKENDS_WEBHOOK_H
#define NARROWD_BACKENDS_WEBHOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/fetch.h"
#include "base/err.h"
#include "base/secret.h"

struct webhook_call;

/* All borrowed for the length of webhook_send(). */
struct webhook_message {
	const char *url;
	const struct secret *secret;
	const char *id; /* the same for every attempt; without dots */
	const char *body;
	uint64_t timeout_ms;
};

struct webhook_result {
	bool delivered;         /* 2xx */
	bool gone;              /* 410: the receiver wants no more */
	int status;             /* 0: no HTTP answer came */
	int64_t retry_after_ms; /* of 429 and 503; -1: none given */
	const struct err *err;  /* what went wrong, unless delivered; without the URL's path */
	uint64_t elapsed_ms;
};

typedef void (*webhook_fn)(void *arg, const struct webhook_result *result);

/* Calls back exactly once unless cancelled, never from inside. */
struct webhook_call *webhook_send(struct fetch *fetch, const struct webhook_message *message,
				  webhook_fn fn, void *arg);
/* No callback afterwards. Takes NULL. */
void webhook_cancel(struct webhook_call *call);

#endif
