/*
 * SQLite with narrowd's settings and narrowd's errors.
 *
 * A connection and its statements belong to one thread at a time (SQLITE_OPEN_NOMUTEX). Functions
 * that return int return 0 or a negative err_code and fill reterr.
 */
#ifndef NARROWD_STORE_DB_H
#define NARROWD_STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum db_mode {
	DB_WRITER,        /* the only one that commits; WAL, synchronous=FULL */
	DB_WRITER_UNSAFE, /* the same with synchronous=NORMAL */
	DB_READER,        /* cannot write, neither rows nor the file */
	DB_REBUILD,       /* reads the file, may fill temporary tables */
	DB_COPY,          /* a copy that is being made; nobody else has it open */
};

enum { DB_FILE_MODE = 0600, DB_BUSY_MS = 5000 };

/* Opens an existing file. *ret_db is NULL on failure; close it with sqlite3_close(). */
int db_open(const char *path, enum db_mode mode, sqlite3 **ret_db, struct err *reterr);

/* Turns SQLite's last error on `db` into ours. `doing` names the step for the message. */
int db_error(sqlite3 *db, const char *doing, struct err *reterr);

/* Runs one or more statements without parameters; rows are ignored. */
int db_exec(sqlite3 *db, const char *sql, struct err *reterr);
/* The first column of the first row as a number; 0 when there is no row. */
int db_integer(sqlite3 *db, const char *sql, int64_t *ret_value, struct err *reterr);
/* A statement that will be used often. Finalize it with sqlite3_finalize(). */
int db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, struct err *reterr);

/* Binds a text that outlives the run, or null. */
void db_bind_text(sqlite3_stmt *stmt, int index, const char *text);
/* Runs a bound statement to its end, ignores its rows, and makes it ready for the next run. */
int db_run(sqlite3_stmt *stmt, struct err *reterr);
/*
 * The next row of a bound statement, if there is one. Without memory SQLite takes back the whole transaction that a
 * statement is in, also one that only reads: whoever goes on then writes without one.
 */
int db_row(sqlite3_stmt *stmt, bool *ret_row, struct err *reterr);
/* Makes a statement ready for the next run; the bound texts are forgotten. */
void db_reset(sqlite3_stmt *stmt);

#endif
