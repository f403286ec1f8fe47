/* Takes a database to PostgreSQL, as the snapshot that a log there begins with, while a daemon uses it or while none does. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "store/backup.h"
#include "store/db.h"
#include "store/directory.h"
#include "store/moved.h"
#include "store/replica.h"
#include "store/schema.h"
#include "store/seal.h"
#include "store/shared.h"
#include "store/snapshot.h"

enum { LOOK_MS = 50, LOOKS_OF_PING = 20 };

struct moving {
	const char *source;            /* the database's file */
	const char *directory;         /* where it is used; NULL: it is a backup */
	const char *key;               /* of what is sealed */
	const struct store_mover *who; /* is told what to do */
	struct directory names;
	bool is_used; /* by a daemon, so that what it writes meanwhile is to follow */
	char *first;  /* the copy of it that goes there */
	char *last;   /* ... and the one that it becomes when the daemon has ended */
	char log[ID_SIZE];
	struct snapshot snapshot;
};

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

/* It says whose beginning it is. */
static int mark(const struct moving *moving, const char *part, struct err *reterr)
{
	sqlite3 *db;
	int rc = db_open(part, DB_COPY, &db, reterr);

	if (rc == 0) {
		rc = replica_mark(db, moving->log, reterr);
		(void)sqlite3_close(db);
	}
	return rc;
}

static int make_copy(const struct moving *moving, const char *part, struct err *reterr)
{
	int rc;

	(void)unlink(part); /* of one that was killed */
	rc = take_copy(moving->source, moving->key, part, reterr);
	return rc == 0 ? mark(moving, part, reterr) : rc;
}

/* That PostgreSQL has gone is to be known while the daemon still runs. */
static int ping(struct shared *shared, struct err *reterr)
{
	return shared_run(shared, "SELECT 1", NULL, 0, NULL, reterr);
}

static int wait_for_the_end(struct shared *shared, struct moving *moving, struct err *reterr)
{
	const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
	int rc;

	moving->who->stop(moving->who->arg);
	for (int looks = 1;; looks++) {
		rc = directory_lock(&moving->names, moving->directory, reterr);
		if (rc != -(int)ERR_BUSY) {
			return rc;
		}
		if (looks % LOOKS_OF_PING == 0 && ping(shared, reterr) != 0) {
			return err_prefix(reterr, "nothing was moved, let the daemon go on");
		}
		(void)nanosleep(&pause, NULL);
	}
}

/* All in the transaction that makes the log, so that what is broken off leaves nothing there. */
static int fill(struct shared *shared, void *arg, struct err *reterr)
{
	const struct replica_place start = {0};
	struct moving *moving = arg;
	int rc = snapshot_put(shared, moving->first, &start, &moving->snapshot, reterr);

	if (rc == 0 && moving->is_used) {
		rc = wait_for_the_end(shared, moving, reterr);
		rc = rc == 0 ? make_copy(moving, moving->last, reterr) : rc;
		rc = rc == 0 ? snapshot_replace(shared, &moving->snapshot, moving->first,
						moving->last, reterr)
			     : rc;
	}
	return rc == 0 ? snapshot_compare(shared, &moving->snapshot, reterr) : rc;
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
			     "off, `DROP SCHEMA narrowd CASCADE` there removes it; otherwise "
			     "choose an empty database");
	} else if (rc == 0) {
		rc = err_set(reterr, ERR_CONFLICT,
			     "there is a log of narrowd's in this PostgreSQL database already: "
			     "choose an empty one");
	}
	postgres_rows_free(&rows);
	return rc;
}

static int check_target(struct shared *shared, struct err *reterr)
{
	int rc = shared_connect(shared, reterr);

	return rc == 0 && shared_name(shared) != NULL ? say_taken(shared, reterr) : rc;
}

/* ERR_BUSY is no fault: a daemon uses it. */
static int take_source(struct moving *moving, struct err *reterr)
{
	int rc = 0;

	if (access(moving->source, F_OK) != 0) {
		return err_set(reterr, ERR_STORAGE, "there is no database: %s", moving->source);
	}
	if (moving->directory != NULL) {
		rc = directory_lock(&moving->names, moving->directory, reterr);
	}
	moving->is_used = rc == -(int)ERR_BUSY;
	return moving->is_used ? 0 : rc;
}

/* The whole comparison takes far longer than the rest, so a daemon does not wait for that of what it wrote last. */
static int look_at_last(const struct moving *moving, struct store_moved *ret, struct err *reterr)
{
	int rc;

	moving->who->start(moving->who->arg);
	rc = moved_look(moving->last, ret, reterr);
	return rc == 0 ? 0
		       : err_prefix(reterr,
				    "what the daemon wrote while it was moved is damaged, in the "
				    "data directory and in PostgreSQL alike");
}

static int move(struct moving *moving, struct shared *shared, struct store_moved *ret,
		struct err *reterr)
{
	int rc = check_target(shared, reterr);

	id_make(moving->log, "log");
	if (rc == 0) {
		rc = take_source(moving, reterr);
	}
	if (rc == 0) {
		rc = make_copy(moving, moving->first, reterr);
	}
	if (rc == 0) {
		rc = moved_look(moving->first, ret, reterr);
	}
	if (rc == 0) {
		rc = shared_begin(shared, moving->log, fill, moving, reterr);
	}
	if (rc == 0 && moving->is_used) {
		rc = look_at_last(moving, ret, reterr);
	}
	(void)unlink(moving->first);
	(void)unlink(moving->last);
	return rc;
}

int store_migrate_to(const struct store_move *what, const char *url, const struct store_mover *who,
		     struct store_moved *ret, struct err *reterr)
{
	bool is_backup = what->backup != NULL;
	struct moving moving = {.who = who, .directory = is_backup ? NULL : what->directory};
	struct shared *shared = shared_create(url, 0, reterr);
	int rc;

	if (shared == NULL) {
		return -(int)reterr->code;
	}
	directory_init(&moving.names, what->directory);
	moving.source = is_backup ? what->backup : moving.names.database;
	moving.key = what->key_file != NULL && what->key_file[0] != '\0' ? what->key_file
									 : moving.names.key;
	moving.first = mem_printf("%s.moved", moving.source);
	moving.last = mem_printf("%s.moved-last", moving.source);
	rc = move(&moving, shared, ret, reterr);
	free(moving.first);
	free(moving.last);
	directory_finish(&moving.names);
	shared_destroy(shared);
	return rc;
}
