/* Opens SQLite with our settings, and translates its errors. */
#include "store/db.h"

#include <pthread.h>

#include "store/member.h"
#include "store/seal.h"
#include "store/sum.h"

static const char common_pragmas[] = "PRAGMA trusted_schema = OFF;"
				     "PRAGMA cell_size_check = ON;"
				     "PRAGMA mmap_size = 0;";
static const char writer_pragmas[] = "PRAGMA journal_mode = WAL;"
				     "PRAGMA foreign_keys = ON;"
				     "PRAGMA journal_size_limit = 67108864;";

static const struct {
	int flags;
	const char *pragmas;
	const char *more_pragmas;
} modes[] = {
	[DB_WRITER] = {SQLITE_OPEN_READWRITE, writer_pragmas, "PRAGMA synchronous = FULL;"},
	[DB_WRITER_UNSAFE] = {SQLITE_OPEN_READWRITE, writer_pragmas,
			      "PRAGMA synchronous = NORMAL;"},
	[DB_READER] = {SQLITE_OPEN_READONLY, "PRAGMA query_only = ON;", ""},
	[DB_REBUILD] = {SQLITE_OPEN_READONLY, "PRAGMA temp_store = FILE;", ""},
	[DB_COPY] = {SQLITE_OPEN_READWRITE, "PRAGMA synchronous = FULL;", ""},
};

static const struct {
	int sqlite; /* extended code, or primary code for all its extended ones */
	enum err_code code;
} codes[] = {
	{SQLITE_CONSTRAINT_UNIQUE, ERR_CONFLICT},
	{SQLITE_CONSTRAINT_PRIMARYKEY, ERR_CONFLICT},
	{SQLITE_CONSTRAINT, ERR_INTERNAL},
	{SQLITE_ERROR, ERR_INTERNAL},
	{SQLITE_MISUSE, ERR_INTERNAL},
	{SQLITE_RANGE, ERR_INTERNAL},
	{SQLITE_FULL, ERR_DISK_FULL},
	{SQLITE_BUSY, ERR_BUSY},
	{SQLITE_LOCKED, ERR_BUSY},
	{SQLITE_CORRUPT, ERR_CORRUPT},
	{SQLITE_NOTADB, ERR_CORRUPT},
	{SQLITE_NOMEM, ERR_NO_MEMORY},
	{SQLITE_TOOBIG, ERR_TOO_LARGE},
	{SQLITE_INTERRUPT, ERR_TIMEOUT},
};

static enum err_code code_of(int sqlite)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].sqlite == sqlite || codes[i].sqlite == (sqlite & 0xFF)) {
			return codes[i].code;
		}
	}
	return ERR_STORAGE;
}

int db_error(sqlite3 *db, const char *doing, struct err *reterr)
{
	return err_set(reterr, code_of(sqlite3_extended_errcode(db)), "database: %s: %s", doing,
		       sqlite3_errmsg(db));
}

static int configure(sqlite3 *db, enum db_mode mode, struct err *reterr)
{
	int rc;

	(void)sqlite3_extended_result_codes(db, 1);
	(void)sqlite3_busy_timeout(db, DB_BUSY_MS);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	/* We have none: what is there somebody else put there. */
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	rc = sum_register(db, reterr);
	if (rc == 0) {
		rc = member_register(db, reterr);
	}
	if (rc == 0) {
		rc = seal_register(db, reterr);
	}
	if (rc == 0) {
		rc = db_exec(db, common_pragmas, reterr);
	}
	if (rc == 0) {
		rc = db_exec(db, modes[mode].pragmas, reterr);
	}
	if (rc == 0) {
		rc = db_exec(db, modes[mode].more_pragmas, reterr);
	}
	return rc;
}

/*
 * SQLite counts what it allocates under one lock for all threads, which nobody reads. It has to be told
 * before anything else is asked of it.
 */
static void count_nothing(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int db_open(const char *path, enum db_mode mode, sqlite3 **ret_db, struct err *reterr)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sqlite3 *db = NULL;
	int rc;

	*ret_db = NULL;
	(void)pthread_once(&once, count_nothing);
	if (sqlite3_open_v2(path, &db, modes[mode].flags | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK) {
		rc = db == NULL ? err_set(reterr, ERR_NO_MEMORY, "database: no memory to open it")
				: err_set(reterr, ERR_STORAGE, "%s: %s", path, sqlite3_errmsg(db));
	} else {
		rc = configure(db, mode, reterr);
	}
	if (rc != 0) {
		(void)sqlite3_close(db);
		return rc;
	}
	*ret_db = db;
	return 0;
}

int db_exec(sqlite3 *db, const char *sql, struct err *reterr)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		return db_error(db, "preparing", reterr);
	}
	return 0;
}

int db_integer(sqlite3 *db, const char *sql, int64_t *ret_value, struct err *reterr)
{
	sqlite3_stmt *stmt;
	int rc = db_prepare(db, sql, &stmt, reterr);
	int step;

	*ret_value = 0;
	if (rc != 0) {
		return rc;
	}
	step = sqlite3_step(stmt);
	if (step == SQLITE_ROW) {
		*ret_value = sqlite3_column_int64(stmt, 0);
	} else if (step != SQLITE_DONE) {
		rc = db_error(db, "reading", reterr);
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}

int db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_stmt, struct err *reterr)
{
	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL) !=
	    SQLITE_OK) {
		return db_error(db, "preparing", reterr);
	}
	return 0;
}

void db_bind_text(sqlite3_stmt *stmt, int index, const char *text)
{
	if (text != NULL) {
		(void)sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC);
	} else {
		(void)sqlite3_bind_null(stmt, index);
	}
}

void db_reset(sqlite3_stmt *stmt)
{
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
}

int db_row(sqlite3_stmt *stmt, bool *ret_row, struct err *reterr)
{
	int step = sqlite3_step(stmt);

	*ret_row = step == SQLITE_ROW;
	return step == SQLITE_ROW || step == SQLITE_DONE
		       ? 0
		       : db_error(sqlite3_db_handle(stmt), "reading", reterr);
}

int db_run(sqlite3_stmt *stmt, struct err *reterr)
{
	int step;
	int rc = 0;

	do {
		step = sqlite3_step(stmt);
	} while (step == SQLITE_ROW);
	if (step != SQLITE_DONE) {
		rc = db_error(sqlite3_db_handle(stmt), "writing", reterr);
	}
	db_reset(stmt);
	return rc;
}
