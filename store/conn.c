/* Runs prepared queries on a connection that cannot write, for as long as they may take. */
#include "store/conn.h"

#include <string.h>

#include "base/clock.h"
#include "store/db.h"

enum {
	MAX_COLUMNS = 16,
	/* Virtual machine steps between two looks at the clock. */
	STEPS_PER_LOOK = 100000,
	/* Position of `order` among the values of QUERY_TRIALS. */
	TRIALS_ORDER_VALUE = 4,
};

static int is_late(void *arg)
{
	const struct conn *conn = arg;

	return clock_thread_cpu_ms() > conn->limit_ms;
}

int conn_init(struct conn *conn, const char *path, struct err *reterr)
{
	int rc;

	memset(conn, 0, sizeof(*conn));
	rc = db_open(path, DB_READER, &conn->db, reterr);
	if (rc == 0) {
		sqlite3_progress_handler(conn->db, STEPS_PER_LOOK, is_late, conn);
	}
	return rc;
}

void conn_finish(struct conn *conn)
{
	for (int i = 0; i < QUERY_STATEMENTS; i++) {
		(void)sqlite3_finalize(conn->statements[i]);
	}
	(void)sqlite3_close(conn->db);
	memset(conn, 0, sizeof(*conn));
}

static int statement_of(int query, const struct store_value *values, size_t count,
			int *ret_statement, struct err *reterr)
{
	int64_t order = 0;

	if (query < 0 || query >= QUERY_COUNT_) {
		return err_set(reterr, ERR_INTERNAL, "there is no query %d", query);
	}
	*ret_statement = query;
	if (query == QUERY_TRIALS) {
		if (count > TRIALS_ORDER_VALUE && !values[TRIALS_ORDER_VALUE].is_null) {
			order = values[TRIALS_ORDER_VALUE].integer;
		}
		if (order < 0 || order >= QUERY_ORDERS) {
			return err_set(reterr, ERR_INTERNAL, "there is no order %lld",
				       (long long)order);
		}
		*ret_statement = QUERY_COUNT_ + (int)order;
	}
	return 0;
}

static int bind_values(sqlite3_stmt *stmt, const struct store_value *values, size_t count,
		       struct err *reterr)
{
	int expected = sqlite3_bind_parameter_count(stmt);

	if (count > (size_t)expected) {
		return err_set(reterr, ERR_INTERNAL, "a query of %d values got %zu", expected,
			       count);
	}
	for (size_t i = 0; i < count; i++) {
		if (values[i].text != NULL || values[i].is_null) {
			db_bind_text(stmt, (int)i + 1, values[i].text);
		} else {
			(void)sqlite3_bind_int64(stmt, (int)i + 1, values[i].integer);
		}
	}
	return 0;
}

static int run(struct conn *conn, sqlite3_stmt *stmt, conn_row_fn row, void *arg,
	       struct err *reterr)
{
	size_t columns = (size_t)sqlite3_column_count(stmt);
	int step;

	if (columns > MAX_COLUMNS) {
		return err_set(reterr, ERR_INTERNAL, "a query of %zu columns, at most %d", columns,
			       MAX_COLUMNS);
	}
	conn->limit_ms = clock_thread_cpu_ms() + CONN_QUERY_MS;
	while ((step = sqlite3_step(stmt)) == SQLITE_ROW) {
		char *cells[MAX_COLUMNS];

		for (size_t i = 0; i < columns; i++) {
			cells[i] = (char *)sqlite3_column_text(stmt, (int)i);
		}
		row(arg, cells, columns);
	}
	return step == SQLITE_DONE ? 0 : db_error(conn->db, "reading", reterr);
}

int conn_query(struct conn *conn, int query, const struct store_value *values, size_t count,
	       conn_row_fn row, void *arg, struct err *reterr)
{
	sqlite3_stmt **stmt;
	int statement;
	int rc = statement_of(query, values, count, &statement, reterr);

	if (rc != 0) {
		return rc;
	}
	stmt = &conn->statements[statement];
	if (*stmt == NULL) {
		rc = db_prepare(conn->db, query_sql(statement), stmt, reterr);
	}
	if (rc == 0) {
		rc = bind_values(*stmt, values, count, reterr);
	}
	if (rc == 0) {
		rc = run(conn, *stmt, row, arg, reterr);
	}
	if (*stmt != NULL) {
		db_reset(*stmt);
	}
	return rc;
}
