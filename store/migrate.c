/* Takes a database to PostgreSQL, as the snapshot that a log there begins with, while a daemon uses it or while none does. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
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
	bool is_used;   /* by a daemon, so that what it writes meanwhile is to follow */
	bool has_ended; /* that daemon */
	bool is_filled; /* PostgreSQL has all of it, but for the COMMIT */
	char *first;    /* the copy of it that goes there */
	char *last;     /* ... and the one that it becomes when the daemon has ended */
	char *lock;     /* a file that is there while it is moved */
	int lock_fd;    /* -1: not held, and the copies are somebody else's */
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
static int take_copy(const struct moving *moving, const char *part, int copies, struct err *reterr)
{
	sqlite3 *db;
	int rc = db_open(moving->source, DB_READER, &db, reterr);

	if (rc != 0) {
		return rc;
	}
	rc = check_source(db, moving->source, reterr);
	if (rc == 0) {
		rc = seal_take_key(db, moving->key, reterr);
	}
	if (rc == 0) {
		rc = backup_check_room(db, moving->source, copies, reterr);
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

/* There has to be room for `copies`: that there is none for the last is to be known before a daemon is stopped for it. */
static int make_copy(const struct moving *moving, const char *part, int copies, struct err *reterr)
{
	int rc = take_copy(moving, part, copies, reterr);

	return rc == 0 ? mark(moving, part, reterr) : rc;
}

static void remove_copies(const struct moving *moving)
{
	(void)unlink(moving->first);
	(void)unlink(moving->last);
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
		moving->has_ended = rc == 0;
		rc = rc == 0 ? make_copy(moving, moving->last, 1, reterr) : rc;
		rc = rc == 0 ? snapshot_replace(shared, &moving->snapshot, moving->first,
						moving->last, reterr)
			     : rc;
	}
	rc = rc == 0 ? snapshot_compare(shared, &moving->snapshot, reterr) : rc;
	moving->is_filled = rc == 0;
	return rc;
}

/* Nobody has a daemon any more, so it is to be said which one can be had again. */
static int say_where_to_start(const struct moving *moving, struct err *reterr)
{
	if (moving->is_filled) {
		return err_prefix(reterr,
				  "it is not known whether PostgreSQL has all of it: the daemon "
				  "can be started again on %s, when none is started on PostgreSQL",
				  moving->directory);
	}
	return err_prefix(reterr, "nothing was moved, and the daemon can be started again on %s",
			  moving->directory);
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

static int flock_alone(int fd, const struct moving *moving, struct err *reterr)
{
	struct stat status;
	bool is_held = flock(fd, LOCK_EX | LOCK_NB) == 0;

	if (!is_held && errno != EWOULDBLOCK) {
		return err_set(reterr, ERR_STORAGE, "%s cannot be locked: %s", moving->lock,
			       strerror(errno));
	}
	/* Who had it removes it before letting go, and the next one makes another. */
	if (!is_held || fstat(fd, &status) != 0 || status.st_nlink == 0) {
		return err_set(reterr, ERR_BUSY,
			       "%s is being moved by another narrowd, which holds %s: let that one "
			       "end, or end it",
			       moving->source, moving->lock);
	}
	return 0;
}

/* Two at once would write the same copies, and each would take the other for a daemon. */
static int shut_out_others(struct moving *moving, struct err *reterr)
{
	int fd = open(moving->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		      DB_FILE_MODE);
	int rc;

	if (fd < 0) {
		return err_set(reterr, errno == ENOSPC ? ERR_DISK_FULL : ERR_STORAGE,
			       "cannot open %s: %s", moving->lock, strerror(errno));
	}
	rc = flock_alone(fd, moving, reterr);
	if (rc != 0) {
		(void)close(fd);
		return rc;
	}
	moving->lock_fd = fd;
	remove_copies(moving); /* of one that was killed */
	return 0;
}

static void let_others(struct moving *moving)
{
	if (moving->lock_fd >= 0) {
		remove_copies(moving);
		(void)unlink(moving->lock);
		(void)close(moving->lock_fd);
	}
}

/* That a daemon uses it is no fault. */
static int take_source(struct moving *moving, struct err *reterr)
{
	int rc;

	if (access(moving->source, F_OK) != 0) {
		return err_set(reterr, ERR_STORAGE, "there is no database: %s", moving->source);
	}
	rc = shut_out_others(moving, reterr);
	if (rc != 0) {
		return rc;
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
		rc = make_copy(moving, moving->first, moving->is_used ? 2 : 1, reterr);
	}
	if (rc == 0) {
		rc = moved_look(moving->first, ret, reterr);
	}
	if (rc == 0) {
		rc = shared_begin(shared, moving->log, fill, moving, reterr);
		rc = rc != 0 && moving->has_ended ? say_where_to_start(moving, reterr) : rc;
	}
	if (rc == 0 && moving->is_used) {
		rc = look_at_last(moving, ret, reterr);
	}
	let_others(moving);
	return rc;
}

int store_migrate_to(const struct store_move *what, const char *url, const struct store_mover *who,
		     struct store_moved *ret, struct err *reterr)
{
	bool is_backup = what->backup != NULL;
	struct moving moving = {
		.who = who, .directory = is_backup ? NULL : what->directory, .lock_fd = -1};
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
	moving.lock = mem_printf("%s.moving", moving.source);
	rc = move(&moving, shared, ret, reterr);
	free(moving.first);
	free(moving.last);
	free(moving.lock);
	directory_finish(&moving.names);
	shared_destroy(shared);
	return rc;
}
