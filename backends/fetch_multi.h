/*
 * libcurl's multi interface in our loop: its sockets become polls, its timer a timer.
 *
 * Handles are libcurl's easy handles, as void pointers so that its header stays out of this one.
 * Loop thread; not to be called from inside libcurl's callbacks.
 */
#ifndef NARROWD_BACKENDS_FETCH_MULTI_H
#define NARROWD_BACKENDS_FETCH_MULTI_H

#include <stddef.h>

#include "base/loop.h"

struct fetch_multi;

/* A transfer has ended with this CURLcode; `owner` is its CURLOPT_PRIVATE. The handle is still to
 * be removed. */
typedef void (*fetch_multi_fn)(void *owner, int code);

/* Initialises libcurl, which no other thread may be using yet. NULL when that fails. */
struct fetch_multi *fetch_multi_create(struct loop *loop, size_t max_total, size_t max_per_host,
				       fetch_multi_fn fn);
/* After every handle was removed. Closes the idle connections, then calls done(arg) once, later. */
void fetch_multi_stop(struct fetch_multi *multi, loop_fn done, void *arg);
void fetch_multi_destroy(struct fetch_multi *multi);

/* False when libcurl refuses, which it does only without memory. */
bool fetch_multi_add(struct fetch_multi *multi, void *easy);
void fetch_multi_remove(struct fetch_multi *multi, void *easy);

#endif
