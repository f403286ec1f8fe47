/*
 * What is long is done beside the loop: by a thread of the pool, with what the call keeps.
 */
#ifndef NARROWD_API_BESIDE_H
#define NARROWD_API_BESIDE_H

#include "api/call.h"

/* On a thread of the pool. May use `state` and `spec` of the call, never its request. */
typedef void beside_fn(struct call *call, const struct store_rows *rows);
typedef char *beside_make_fn(struct call *call, const struct store_rows *rows);

/* Runs beside_work(), then next(call) on the loop unless the client has left. The rows (may be NULL) are taken
 * over: whoever got them finds none any more. */
void beside_run(struct call *call, const struct store_rows *rows, beside_fn *beside_work,
		call_fn *next);
/* Answers 200 with the JSON text that `make` returns, which is freed; NULL is answered with 503. */
void beside_reply(struct call *call, const struct store_rows *rows, beside_make_fn *make);

#endif
