/*
 * Names to addresses, off the loop: getaddrinfo() on a few threads of our own, under a time limit.
 *
 * getaddrinfo() cannot be interrupted. A lookup that takes too long fails for whoever waits, its
 * thread is written off until it comes back, and another one takes its place, up to a bound.
 * Callers who ask for a name that is being looked up share that lookup, so one hanging name never
 * costs more than one thread. All functions are for the loop thread.
 */
#ifndef NARROWD_BACKENDS_RESOLVE_H
#define NARROWD_BACKENDS_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/loop.h"

enum {
	RESOLVE_THREADS = 4,      /* working at once */
	RESOLVE_THREADS_MAX = 16, /* with those that hang */
	RESOLVE_TIMEOUT_MS = 5000,
	RESOLVE_ANSWERS_MAX = 16,
};

struct resolve;
struct resolve_call;

struct resolve_answers {
	int rc; /* 0, or negative err_code with `message` */
	const char *message;
	size_t count; /* 1..RESOLVE_ANSWERS_MAX when rc is 0; further answers are not looked at */
	struct sockaddr_storage addresses[RESOLVE_ANSWERS_MAX]; /* with port 0 */
};

/* `answers` is borrowed for the length of the call. */
typedef void (*resolve_fn)(void *arg, const struct resolve_answers *answers);

struct resolve *resolve_create(struct loop *loop);
/* After every call has ended or was cancelled. Calls done(arg) once, later; nothing of the loop is
 * touched afterwards, even if threads still hang. */
void resolve_stop(struct resolve *resolve, loop_fn done, void *arg);
/* After `done`. Threads that hang free what they hold when they come back. */
void resolve_destroy(struct resolve *resolve);

/* Never calls fn from inside; calls it once unless cancelled. */
struct resolve_call *resolve_start(struct resolve *resolve, const char *host, resolve_fn fn,
				   void *arg);
/* No callback afterwards. */
void resolve_cancel(struct resolve_call *call);

#endif
