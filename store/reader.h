/*
 * The reader threads: queries wait in one queue, each thread has a connection that cannot write.
 *
 * All functions are called on the loop thread; what the threads have read is handed back there.
 */
#ifndef NARROWD_STORE_READER_H
#define NARROWD_STORE_READER_H

#include "store/store.h"

struct reader;

/* Opens the connections and starts the threads. NULL and reterr on failure. */
struct reader *reader_create(struct loop *loop, const char *path, struct err *reterr);
/* As store_query(). Once reader_stop() was called the answer is ERR_DRAINING. */
struct store_query_call *reader_query(struct reader *reader, int query,
				      const struct store_value *values, size_t count,
				      store_rows_fn fn, void *arg);
/* The caller of `call` will not be called back; the call frees itself later. */
void reader_cancel(struct store_query_call *call);
/* Answers what is queued, then calls done(arg) on the loop; reader_destroy() may follow. */
void reader_stop(struct reader *reader, loop_fn done, void *arg);
/* Joins the threads; only after reader_stop() has called back. */
void reader_destroy(struct reader *reader);

#endif
