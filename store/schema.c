/* Brings a database to the newest schema, step by step, and keeps a copy of what it was. */
#include "store/schema.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/backup.h"
#include "store/db.h"

/* store/schema/0001.sql and those that follow, embedded by the build. */
extern const char schema_0001[], schema_0002[], schema_0003[], schema_0004[], schema_0005[],
	schema_0006[], schema_0007[], schema_0008[], schema_0009[], schema_0010[], schema_0011[];

const char *const schema_steps[] = {schema_0001, schema_0002, schema_0003, schema_0004,
				    schema_0005, schema_0006, schema_0007, schema_0008,
				    schema_0009, schema_0010, schema_0011};
const size_t schema_step_count = sizeof(schema_steps) / sizeof(schema_steps[0]);

static int run_step(sqlite3 *db, const char *step, size_t version, struct err *reterr)
{
	char *end = mem_printf("PRAGMA application_id = %d; PRAGMA user_version = %zu; COMMIT",
			       SCHEMA_APPLICATION_ID, version);
	int rc = db_exec(db, "BEGIN IMMEDIATE", reterr);

	if (rc == 0) {
		rc = db_exec(db, step, reterr);
	}
	if (rc == 0) {
		rc = db_exec(db, end, reterr);
	}
	if (rc != 0 && sqlite3_get_autocommit(db) == 0) {
		(void)db_exec(db, "ROLLBACK", NULL);
	}
	free(end);
	return rc != 0 ? err_prefix(reterr, "schema version %zu", version) : 0;
}

/* A copy that an interrupted upgrade left behind is of the same version: the steps are atomic. */
static int copy_old(sqlite3 *db, const char *path, size_t count, struct err *reterr)
{
	char *copy = mem_printf("%s.before-%zu", path, count);
	int rc;

	(void)unlink(copy);
	rc = backup_copy(db, copy, reterr);
	free(copy);
	return rc;
}

int schema_examine(sqlite3 *db, const char *path, size_t count, int64_t *ret_version,
		   struct err *reterr)
{
	int64_t application = 0;
	int64_t tables = 0;
	int rc = db_integer(db, "PRAGMA user_version", ret_version, reterr);

	if (rc == 0) {
		rc = db_integer(db, "PRAGMA application_id", &application, reterr);
	}
	if (rc == 0) {
		rc = db_integer(db, "SELECT count(*) FROM sqlite_schema", &tables, reterr);
	}
	if (rc != 0) {
		return rc;
	}
	if (application != SCHEMA_APPLICATION_ID && (tables != 0 || *ret_version != 0)) {
		return err_set(reterr, ERR_CORRUPT, "%s is not a database of narrowd", path);
	}
	if (*ret_version > (int64_t)count) {
		return err_set(reterr, ERR_NEWER_SCHEMA,
			       "%s has schema version %lld, this narrowd knows up to %zu: install "
			       "the newer narrowd again, or restore a backup",
			       path, (long long)*ret_version, count);
	}
	return 0;
}

/* A file that keeps what deleted rows took can shrink once it was written anew. */
static void make_shrinkable(sqlite3 *db, const char *path)
{
	int64_t mode = 0;
	struct err err;

	if (db_integer(db, "PRAGMA auto_vacuum", &mode, &err) == 0 && mode == 0) {
		if (db_exec(db, "PRAGMA auto_vacuum = INCREMENTAL; VACUUM", &err) != 0) {
			log_line(LOG_WARNING, "the database stays one that cannot shrink",
				 LOG_TEXT("path", path), LOG_TEXT("error", err.message));
		}
	}
}

int schema_upgrade(sqlite3 *db, const char *path, const char *const *steps, size_t count,
		   struct err *reterr)
{
	int64_t version;
	int rc = schema_examine(db, path, count, &version, reterr);

	if (rc == 0 && version > 0 && version < (int64_t)count) {
		rc = copy_old(db, path, count, reterr);
	}
	for (size_t i = (size_t)version; rc == 0 && i < count; i++) {
		rc = run_step(db, steps[i], i + 1, reterr);
	}
	if (rc == 0) {
		make_shrinkable(db, path);
	}
	return rc;
}

int schema_check(sqlite3 *db, struct err *reterr)
{
	sqlite3_stmt *stmt;
	int rc = db_prepare(db, "PRAGMA quick_check(1)", &stmt, reterr);

	if (rc != 0) {
		return rc;
	}
	if (sqlite3_step(stmt) != SQLITE_ROW) {
		rc = db_error(db, "checking", reterr);
	} else if (sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0) {
		rc = err_set(reterr, ERR_CORRUPT, "database: %s", sqlite3_column_text(stmt, 0));
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}
