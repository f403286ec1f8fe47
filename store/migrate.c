/* Takes a database to PostgreSQL, as the snapshot that a log there begins with, and a log back to a data directory. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "store/backup.h"
#include "store/db.h"
#include "store/digest.h"
#include "store/directory.h"
#include "store/replica.h"
#include "store/schema.h"
#include "store/seal.h"
#include "store/shared.h"
#include "store/snapshot.h"
#include "store/store.h"
#include "store/verify.h"

/* What nobody changes any more: that it is alike on both sides says that nothing was lost. */
static const char events[] = "SELECT job, n, type, at_ms, trial, data, sum FROM event ORDER BY seq";

static void add_row(struct digest *digest, sqlite3_stmt *row)
{
	for (int i = 0; i < sqlite3_column_count(row); i++) {
		const char *text = (const char *)sqlite3_column_text(row, i);

		/* The NUL, too: no two rows have the same bytes. */
		digest_add(digest, text != NULL ? text : "",
			   text != NULL ? (size_t)sqlite3_column_bytes(row, i) + 1 : 0);
	}
}

static int hash_events(sqlite3 *db, struct store_moved *ret, struct err *reterr)
{
	struct digest *digest = digest_create(reterr);
	sqlite3_stmt *stmt = NULL;
	int step = SQLITE_DONE;
	int rc = digest != NULL ? db_prepare(db, events, &stmt, reterr) : -(int)reterr->code;

	while (rc == 0 && (step = sqlite3_step(stmt)) == SQLITE_ROW) {
		add_row(digest, stmt);
		ret->events++;
	}
	if (rc == 0 && step != SQLITE_DONE) {
		rc = db_error(db, "reading the events", reterr);
	}
	if (digest != NULL) {
		digest_end(digest, ret->hash);
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}

_Static_assert(sizeof(((struct store_moved *)NULL)->hash) == DIGEST_HEX_SIZE, "it is one");

/* Looks whether the database is sound, and counts what is in it. */
static int verify(const char *path, struct store_moved *ret, struct err *reterr)
{
	sqlite3 *db;
	int rc = db_open(path, DB_REBUILD, &db, reterr);

	*ret = (struct store_moved){0};
	if (rc != 0) {
		return rc;
	}
	rc = verify_run(db, reterr);
	if (rc == 0) {
		rc = hash_events(db, ret, reterr);
	}
	if (rc == 0) {
		rc = db_integer(db, "SELECT count(*) FROM job", &ret->jobs, reterr);
	}
	if (rc == 0) {
		rc = db_integer(
			db,
			"SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
			&ret->bytes, reterr);
	}
	(void)sqlite3_close(db);
	return rc;
}

static int check_source(sqlite3 *db, const char *path, struct err *reterr)
{
	int64_t version;
	int rc = schema_examine(db, path, schema_step_count, &version, reterr);

	if (rc == 0 && version != (int64_t)schema_step_count) {
		rc = err_set(reterr, ERR_CONFIG,
			     "%s is of an older version: start this narrowd on it once, which "
			     "upgrades it",
			     path);
	}
	return rc == 0 ? replica_refuse(db, reterr) : rc;
}

/* A copy of one moment, with the key that its secrets were sealed with. */
static int take_copy(const char *source, const char *key, const char *part, struct err *reterr)
{
	sqlite3 *db;
	int rc = db_open(source, DB_READER, &db, reterr);

	if (rc != 0) {
		return rc;
	}
	rc = check_source(db, source, reterr);
	if (rc == 0) {
		rc = seal_take_key(db, key, reterr);
	}
	if (rc == 0) {
		rc = backup_copy(db, part, reterr);
	}
	(void)sqlite3_close(db);
	return rc;
}

#define REMOVES "`DROP SCHEMA narrowd CASCADE` there removes it"

struct moving {
	const char *part; /* the copy that goes there */
	char log[ID_SIZE];
	struct snapshot snapshot;
};

static int fill(struct shared *shared, void *arg, struct err *reterr)
{
	struct moving *moving = arg;
	const struct replica_place start = {0};

	return snapshot_put(shared, moving->part, &start, &moving->snapshot, reterr);
}

/* It says whose beginning it is; what is fetched later is compared with it as it is then. */
static int mark(const struct moving *moving, struct err *reterr)
{
	sqlite3 *db;
	int rc = db_open(moving->part, DB_COPY, &db, reterr);

	if (rc == 0) {
		rc = replica_mark(db, moving->log, reterr);
		(void)sqlite3_close(db);
	}
	return rc;
}

/* Fetches what was sent: it has to be what it was. */
static int read_back(struct shared *shared, const struct moving *moving,
		     const struct store_moved *sent, struct err *reterr)
{
	char *back = mem_printf("%s.back", moving->part);
	struct store_moved found;
	int rc;

	(void)unlink(back);
	rc = snapshot_get(shared, &moving->snapshot, back, reterr);
	if (rc == 0) {
		rc = verify(back, &found, reterr);
		if (rc == 0 && strcmp(found.hash, sent->hash) != 0) {
			rc = err_set(reterr, ERR_CORRUPT,
				     "what came back from PostgreSQL has other events than what "
				     "was sent");
		}
		(void)unlink(back);
	}
	free(back);
	return rc;
}

/* What a move that was broken off behind its COMMIT has left looks like one whose daemon was not started yet. */
static int say_taken(struct shared *shared, struct err *reterr)
{
	static const char sql[] = "SELECT 1 FROM narrowd.head WHERE position = 0"
				  " AND NOT EXISTS (SELECT 1 FROM narrowd.daemon)";
	struct postgres_rows rows;
	int rc = shared_run(shared, sql, NULL, 0, &rows, reterr);

	if (rc == 0 && rows.count > 0) {
		rc = err_set(reterr, ERR_CONFLICT,
			     "there is a log of narrowd's in this PostgreSQL database already, "
			     "which no daemon has used: when it is of a move that was broken "
			     "off, " REMOVES "; otherwise choose an empty database");
	} else if (rc == 0) {
		rc = err_set(reterr, ERR_CONFLICT,
			     "there is a log of narrowd's in this PostgreSQL database already: "
			     "choose an empty one");
	}
	postgres_rows_free(&rows);
	return rc;
}

static int send_copy(const char *part, const char *url, struct store_moved *ret, struct err *reterr)
{
	struct moving moving = {.part = part};
	struct shared *shared = shared_create(url, 0, reterr);
	int rc = shared != NULL ? shared_connect(shared, reterr) : -(int)reterr->code;

	if (rc == 0 && shared_name(shared) != NULL) {
		rc = say_taken(shared, reterr);
	}
	id_make(moving.log, "log");
	if (rc == 0) {
		rc = mark(&moving, reterr);
	}
	if (rc == 0) {
		rc = verify(part, ret, reterr);
	}
	if (rc == 0) {
		rc = shared_begin(shared, moving.log, fill, &moving, reterr);
	}
	if (rc == 0) {
		rc = read_back(shared, &moving, ret, reterr);
		if (rc != 0) {
			(void)err_prefix(reterr,
					 "the log is there, but start no daemon on it: " REMOVES
					 "; then move again");
		}
	}
	shared_destroy(shared);
	return rc;
}

int store_migrate_to(const char *directory, const char *key_file, const char *source,
		     const char *url, struct store_moved *ret, struct err *reterr)
{
	bool given = key_file != NULL && key_file[0] != '\0';
	struct directory names;
	char *part;
	int rc = 0;

	directory_init(&names, directory);
	part = mem_printf("%s.moved", source != NULL ? source : names.database);
	if (access(source != NULL ? source : names.database, F_OK) != 0) {
		rc = err_set(reterr, ERR_STORAGE, "there is no database in %s", directory);
	} else if (source == NULL) {
		rc = directory_lock(&names, directory, reterr);
	}
	if (rc == 0) {
		(void)unlink(part); /* of one that was killed */
		rc = take_copy(source != NULL ? source : names.database,
			       given ? key_file : names.key, part, reterr);
	}
	if (rc == 0) {
		rc = send_copy(part, url, ret, reterr);
		(void)unlink(part);
	}
	free(part);
	directory_finish(&names);
	return rc;
}

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
	if (rc == 0 && access(names.database, F_OK) == 0) {
		rc = err_set(reterr, ERR_CONFLICT,
			     "there is a database in %s already: choose a directory that has "
			     "narrowd.key alone",
			     directory);
	}
	if (rc == 0) {
		rc = fetch_all(url, key_file, directory, reterr);
	}
	if (rc == 0) {
		rc = directory_lock(&names, directory, reterr);
	}
	if (rc == 0) {
		rc = make_own(names.database, shared_name(shared), &at, reterr);
	}
	if (rc == 0) {
		rc = verify(names.database, ret, reterr);
	}
	if (rc == 0) {
		rc = end_log(shared, at.position, reterr);
	}
	directory_finish(&names);
	shared_destroy(shared);
	return rc;
}
