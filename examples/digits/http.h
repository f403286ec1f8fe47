/*
 * The HTTP side: takes one POST after the other and lets a handler answer it.
 *
 * There is a single thread. While a question is being measured, connections wait; that is wanted,
 * because serving them would disturb the measurement.
 */
#ifndef DIGITS_HTTP_H
#define DIGITS_HTTP_H

#include <jansson.h>
#include <signal.h>
#include <stdint.h>

#include "fault.h"

/*
 * Answers a POST. `path` is without the slash, `key` the Idempotency-Key or NULL. Sets `*answer` (a
 * new reference) and returns the status; with NULL in it, or a status of 400 and up, `fault` says why.
 */
typedef unsigned int http_handler(void *context, const char *path, const char *key,
				  const json_t *body, json_t **answer, struct fault *fault);

struct http;

/* Listens on an IPv4 address; port 0 takes a free one. Returns NULL and `fault` on failure. */
struct http *http_create(const char *address, uint16_t port, http_handler *handler, void *context,
			 struct fault *fault);
void http_destroy(struct http *http);

/* The port that is listened on. */
uint16_t http_port(const struct http *http);

/* Serves until `*stop` is set, by a signal handler: then within a second. */
void http_serve(struct http *http, const volatile sig_atomic_t *stop);

#endif
