/*
 * A read-only connection with its prepared queries.
 *
 * Belongs to one thread at a time. A query that takes more than CONN_QUERY_MS of its thread's
 * CPU is broken off, so that no reader keeps the log from being checkpointed.
 */
#ifndef NARROWD_STORE_CONN_H
#define NARROWD_STORE_CONN_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "store/query.h"
#include "store/store.h"

enum { CONN_QUERY_MS = 5000 };

struct conn {
	sqlite3 *db;
	sqlite3_stmt *statements[QUERY_STATEMENTS]; /* prepared at first use */
	int64_t limit_ms; /* of the thread's CPU, for the query that runs */
};

/* `cells` are borrowed for the call. */
typedef void (*conn_row_fn)(void *arg, char *const *cells, size_t columns);

/* `conn` must not move afterwards. On failure there is nothing to finish. */
int conn_init(struct conn *conn, const char *path, struct err *reterr);
void conn_finish(struct conn *conn);
/* Calls row for each row. Values that are missing at the end are null. */
int conn_query(struct conn *conn, int query, const struct store_value *values, size_t count,
	       conn_row_fn row, void *arg, struct err *reterr);

#endif
