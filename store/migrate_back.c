/* Takes a log in PostgreSQL back to a data directory, and ends it there. */
#include <stdio.h>
#include <unistd.h>

#include "store/db.h"
#include "store/directory.h"
#include "store/moved.h"
#include "store/replica.h"
#include "store/shared.h"

/* A daemon that waits would go on with the log as soon as it is free. */
static int refuse_others(struct shared *shared, struct err *reterr)
{
	static const char sql[] = "SELECT 1 WHERE pg_try_advisory_xact_lock(" SHARED_PRESENCE ")";
	struct postgres_rows rows;
	int rc = shared_run(shared, sql, NULL, 0, &rows, reterr);

	if (rc == 0 && rows.count == 0) {
		rc = err_set(
			reterr, ERR_BUSY,
			"a daemon uses this PostgreSQL database: stop all of them first, those "
			"that wait, too");
	}
	postgres_rows_free(&rows);
	return rc;
}

static int look_at_log(struct shared *shared, struct err *reterr)
{
	int rc = shared_connect(shared, reterr);

	if (rc == 0 && shared_name(shared) == NULL) {
		rc = err_set(reterr, ERR_NOT_FOUND,
			     "there is no log of narrowd's in this PostgreSQL database");
	}
	return rc == 0 ? refuse_others(shared, reterr) : rc;
}

/* A spare daemon's directory has most of it already. */
static int check_directory(const struct directory *names, const char *directory,
			   const struct shared *shared, struct err *reterr)
{
	struct replica_place at;
	struct err why;
	bool empty;
	sqlite3 *db;
	int rc;

	if (access(names->database, F_OK) != 0) {
		return 0;
	}
	rc = db_open(names->database, DB_READER, &db, reterr);
	if (rc != 0) {
		return rc;
	}
	rc = replica_look(db, shared_name(shared), &empty, &at, &why);
	(void)sqlite3_close(db);
	return rc == 0 && !empty
		       ? 0
		       : err_set(reterr, ERR_CONFLICT,
				 "there is a database in %s already, which is no replica of this "
				 "log: choose a directory that has narrowd.key alone",
				 directory);
}

static void close_loop(void *arg)
{
	loop_close(arg);
}

/* A store there runs the log to its end. */
static int fetch_all(const char *url, const char *key_file, const char *directory,
		     struct err *reterr)
{
	const struct store_options options = {
		.directory = directory, .key_file = key_file, .postgresql = url};
	struct loop *loop = loop_create();
	struct store *store = store_open(loop, &options, reterr);
	int rc = store != NULL ? 0 : -(int)reterr->code;

	if (store != NULL) {
		store_stop(store, close_loop, loop);
	} else {
		loop_close(loop);
	}
	loop_run(loop);
	store_destroy(store);
	loop_destroy(loop);
	return rc;
}

static int make_own(const char *path, const char *log, struct replica_place *ret_at,
		    struct err *reterr)
{
	bool empty;
	sqlite3 *db;
	int rc = db_open(path, DB_WRITER, &db, reterr);

	if (rc == 0) {
		rc = replica_look(db, log, &empty, ret_at, reterr);
		rc = rc == 0 ? replica_unmark(db, reterr) : rc;
		(void)sqlite3_close(db);
	}
	return rc;
}

static int end_at(struct shared *shared, int64_t position, struct err *reterr)
{
	static const char sql[] = "UPDATE narrowd.head SET ended = clock_timestamp()"
				  " WHERE position = $1::bigint RETURNING id";
	char at[SHARED_NUMBER_SIZE];
	struct postgres_rows rows;
	int rc;

	(void)snprintf(at, sizeof(at), "%lld", (long long)position);
	rc = shared_run(shared, sql, &POSTGRES_TEXT(at), 1, &rows, reterr);
	if (rc == 0 && rows.count == 0) {
		rc = err_set(reterr, ERR_BUSY,
			     "a daemon has written to the log while it was fetched, which is whole "
			     "as it was: stop all daemons, empty the directory and move it again");
	}
	postgres_rows_free(&rows);
	return rc;
}

/* The last step: whatever failed before, the log was the truth until here. Who joined meanwhile and has written nothing
 * loses its place, and with it the right to. */
static int end_log(struct shared *shared, int64_t position, struct err *reterr)
{
	static const char alone[] =
		SHARED_BEGIN_ALONE "; LOCK TABLE narrowd.daemon IN SHARE ROW EXCLUSIVE MODE";
	struct err ignored;
	int rc = shared_connect(shared, reterr);

	if (rc == 0) {
		rc = postgres_script(shared->postgres, alone, reterr);
	}
	if (rc == 0) {
		rc = end_at(shared, position, reterr);
	}
	if (rc == 0) {
		return postgres_script(shared->postgres, "DELETE FROM narrowd.daemon; COMMIT",
				       reterr);
	}
	(void)postgres_script(shared->postgres, "ROLLBACK", &ignored);
	return rc;
}

int store_migrate_from(const char *url, const char *key_file, const char *directory,
		       struct store_moved *ret, struct err *reterr)
{
	struct shared *shared = shared_create(url, 0, reterr);
	struct replica_place at = {0};
	struct directory names;
	int rc;

	if (shared == NULL) {
		return -(int)reterr->code;
	}
	rc = look_at_log(shared, reterr);
	directory_init(&names, directory);
	if (rc == 0) {
		rc = check_directory(&names, directory, shared, reterr);
	}
	if (rc == 0) {
		rc = fetch_all(url, key_file, directory, reterr);
	}
	if (rc == 0) {
		rc = directory_lock(&names, directory, reterr);
	}
	if (rc == 0) {
		rc = moved_look(names.database, ret, reterr);
	}
	if (rc == 0) {
		rc = make_own(names.database, shared_name(shared), &at, reterr);
	}
	if (rc == 0) {
		rc = end_log(shared, at.position, reterr);
	}
	directory_finish(&names);
	shared_destroy(shared);
	return rc;
}
