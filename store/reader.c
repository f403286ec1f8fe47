/* Runs queries on threads that only read. */
#include "store/reader.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/conn.h"
#include "store/thread.h"

enum { READERS = 2 };

struct store_query_call {
	struct list node;
	struct loop_task task;
	struct reader *reader;
	int query;
	struct store_value *values; /* owned, texts too */
	size_t count;
	store_rows_fn fn; /* NULL once cancelled; used on the loop only */
	void *arg;
	struct store_rows rows;
	size_t capacity; /* of rows.cells */
	int rc;
	char *message;
};

struct reader {
	struct loop *loop;
	struct conn conns[READERS];
	struct thread threads[READERS];
	size_t conn_count;
	size_t thread_count;
	pthread_mutex_t lock; /* guards the next three */
	pthread_cond_t wake;
	struct list queue;
	bool stopping;
	size_t running; /* threads that have not reported their end; loop only */
	loop_fn done;
	void *arg;
};

void store_rows_free(struct store_rows *rows)
{
	for (size_t i = 0; i < rows->count * rows->columns; i++) {
		free(rows->cells[i]);
	}
	free(rows->cells);
	*rows = (struct store_rows){.columns = rows->columns};
}

/* They are the reader's own, which frees what is left in them. */
void store_rows_take(const struct store_rows *rows, struct store_rows *ret)
{
	struct store_rows *from = (struct store_rows *)rows;

	*ret = *rows;
	from->count = 0;
	from->cells = NULL;
}

static void call_free(struct store_query_call *call)
{
	store_rows_free(&call->rows);
	for (size_t i = 0; i < call->count; i++) {
		free((char *)call->values[i].text);
	}
	free(call->values);
	free(call->message);
	free(call);
}

static void keep_row(void *arg, char *const *cells, size_t columns)
{
	struct store_query_call *call = arg;
	size_t used = call->rows.count * columns;

	call->rows.columns = columns;
	if (used + columns > call->capacity) {
		call->capacity = 2 * (used + columns);
		call->rows.cells =
			mem_grow(call->rows.cells, call->capacity, sizeof(*call->rows.cells));
	}
	for (size_t i = 0; i < columns; i++) {
		call->rows.cells[used + i] = cells[i] != NULL ? mem_dup(cells[i]) : NULL;
	}
	call->rows.count++;
}

static void deliver(void *arg)
{
	struct store_query_call *call = arg;
	struct err err ERR_UNCLEARED;

	err_init(&err);
	if (call->rc != 0) {
		(void)err_set(&err, (enum err_code)(-call->rc), "%s", call->message);
	}
	if (call->fn != NULL) {
		call->fn(call->arg, call->rc, &call->rows, &err);
	}
	call_free(call);
}

/* Waits for work. NULL when there is none left and the reader stops. */
static struct store_query_call *next_call(struct reader *reader)
{
	struct list *node;

	(void)pthread_mutex_lock(&reader->lock);
	while ((node = list_pop(&reader->queue)) == NULL && !reader->stopping) {
		(void)pthread_cond_wait(&reader->wake, &reader->lock);
	}
	(void)pthread_mutex_unlock(&reader->lock);
	return node != NULL ? list_entry(node, struct store_query_call, node) : NULL;
}

static void work(struct thread *thread)
{
	struct reader *reader = thread->arg;
	struct conn *conn = &reader->conns[thread - reader->threads];
	struct store_query_call *call;

	while ((call = next_call(reader)) != NULL) {
		struct err err ERR_UNCLEARED;

		err_init(&err);
		call->rc = conn_query(conn, call->query, call->values, call->count, keep_row, call,
				      &err);
		call->message = call->rc != 0 ? mem_dup(err.message) : NULL;
		loop_post(reader->loop, &call->task, deliver, call);
	}
}

static void on_thread_end(void *arg)
{
	struct reader *reader = arg;

	if (--reader->running == 0) {
		reader->done(reader->arg);
	}
}

struct reader *reader_create(struct loop *loop, const char *path, struct err *reterr)
{
	struct reader *reader = mem_new(1, sizeof(*reader));

	reader->loop = loop;
	list_init(&reader->queue);
	(void)pthread_mutex_init(&reader->lock, NULL);
	(void)pthread_cond_init(&reader->wake, NULL);
	for (size_t i = 0; i < READERS; i++) {
		if (conn_init(&reader->conns[i], path, reterr) != 0) {
			goto fail;
		}
		reader->conn_count++;
	}
	for (size_t i = 0; i < READERS; i++) {
		if (thread_start(&reader->threads[i], "store-reader", loop, work, reader, reterr) !=
		    0) {
			goto fail;
		}
		reader->thread_count++;
	}
	reader->running = reader->thread_count;
	return reader;
fail:
	reader_destroy(reader);
	return NULL;
}

struct store_query_call *reader_query(struct reader *reader, int query,
				      const struct store_value *values, size_t count,
				      store_rows_fn fn, void *arg)
{
	struct store_query_call *call = mem_new(1, sizeof(*call));

	*call = (struct store_query_call){
		.reader = reader, .query = query, .count = count, .fn = fn, .arg = arg};
	call->values = mem_new(count, sizeof(*call->values));
	for (size_t i = 0; i < count; i++) {
		call->values[i] = values[i];
		call->values[i].text = values[i].text != NULL ? mem_dup(values[i].text) : NULL;
	}
	if (reader->stopping) {
		call->rc = -(int)ERR_DRAINING;
		call->message = mem_dup("the store is closing");
		loop_defer(reader->loop, &call->task, deliver, call);
		return call;
	}
	(void)pthread_mutex_lock(&reader->lock);
	list_append(&reader->queue, &call->node);
	(void)pthread_cond_signal(&reader->wake);
	(void)pthread_mutex_unlock(&reader->lock);
	return call;
}

void reader_cancel(struct store_query_call *call)
{
	call->fn = NULL;
}

static void tell_to_stop(struct reader *reader)
{
	(void)pthread_mutex_lock(&reader->lock);
	reader->stopping = true;
	(void)pthread_cond_broadcast(&reader->wake);
	(void)pthread_mutex_unlock(&reader->lock);
}

void reader_stop(struct reader *reader, loop_fn done, void *arg)
{
	reader->done = done;
	reader->arg = arg;
	for (size_t i = 0; i < reader->thread_count; i++) {
		thread_on_end(&reader->threads[i], on_thread_end, reader);
	}
	tell_to_stop(reader);
}

void reader_destroy(struct reader *reader)
{
	if (reader == NULL) {
		return;
	}
	tell_to_stop(reader);
	for (size_t i = 0; i < reader->thread_count; i++) {
		thread_join(&reader->threads[i]);
	}
	for (size_t i = 0; i < reader->conn_count; i++) {
		conn_finish(&reader->conns[i]);
	}
	(void)pthread_cond_destroy(&reader->wake);
	(void)pthread_mutex_destroy(&reader->lock);
	free(reader);
}
