/*
 * Connections for threads that come and go: one that was used is kept for the next, for to open one takes longer than
 * most queries. Any thread.
 */
#ifndef NARROWD_STORE_APART_H
#define NARROWD_STORE_APART_H

#include <pthread.h>

#include "base/list.h"
#include "store/conn.h"

struct apart {
	const char *path;     /* borrowed */
	pthread_mutex_t lock; /* guards the next */
	struct list idle;     /* of connections that nobody uses */
};

void apart_init(struct apart *apart, const char *path);
/* When nobody uses any of them. */
void apart_finish(struct apart *apart);
/* As conn_query(), on a connection that this thread has for that long. */
int apart_query(struct apart *apart, int query, const struct store_value *values, size_t count,
		conn_row_fn row, void *arg, struct err *reterr);

#endif
