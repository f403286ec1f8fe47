/* What is done to a database as a whole, from outside: verified, copied, put back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/backup.h"
#include "store/db.h"
#include "store/directory.h"
#include "store/replica.h"
#include "store/schema.h"
#include "store/store.h"
#include "store/verify.h"

static int must_exist(const char *path, struct err *reterr)
{
	return access(path, F_OK) == 0 ? 0
				       : err_set(reterr, ERR_STORAGE,
						 "%s: %s; --data-dir says where the database is",
						 path, strerror(errno));
}

static int verify_file(const char *path, struct err *reterr)
{
	sqlite3 *db;
	int rc = must_exist(path, reterr);

	if (rc == 0) {
		rc = db_open(path, DB_REBUILD, &db, reterr);
	}
	if (rc == 0) {
		rc = verify_run(db, reterr);
		(void)sqlite3_close(db);
	}
	return rc;
}

int store_verify(const char *directory, struct err *reterr)
{
	struct directory names;
	int rc;

	directory_init(&names, directory);
	rc = verify_file(names.database, reterr);
	directory_finish(&names);
	return rc;
}

static int copy_file(const char *source, const char *destination, struct err *reterr)
{
	sqlite3 *db;
	int rc = must_exist(source, reterr);

	if (rc == 0) {
		rc = db_open(source, DB_READER, &db, reterr);
	}

	if (rc == 0) {
		rc = backup_copy(db, destination, reterr);
		(void)sqlite3_close(db);
	}
	return rc;
}

/* A daemon that begins from the copy of a replica is not the one that goes on with the replica. */
static int unname(const char *path, struct err *reterr)
{
	sqlite3 *db;
	int rc = db_open(path, DB_COPY, &db, reterr);

	if (rc == 0) {
		rc = replica_unname(db, reterr);
		(void)sqlite3_close(db);
	}
	return rc;
}

/* Gives a whole file its name, unless that is taken. */
static int publish(const char *part, const char *path, struct err *reterr)
{
	if (link(part, path) != 0) {
		return err_set(reterr, errno == EEXIST ? ERR_CONFLICT : ERR_STORAGE,
			       "cannot create %s: %s", path, strerror(errno));
	}
	(void)unlink(part);
	return backup_sync_folder(path, reterr);
}

int store_backup(const char *directory, const char *destination, struct err *reterr)
{
	char *part = mem_printf("%s.part", destination);
	struct directory names;
	int rc = 0;

	directory_init(&names, directory);
	if (access(destination, F_OK) == 0) {
		rc = err_set(reterr, ERR_CONFLICT, "cannot create %s: %s", destination,
			     strerror(EEXIST));
	} else {
		(void)unlink(part); /* of a backup that was killed */
		rc = copy_file(names.database, part, reterr);
	}
	if (rc == 0) {
		rc = unname(part, reterr);
		rc = rc == 0 ? verify_file(part, reterr) : rc;
		rc = rc == 0 ? publish(part, destination, reterr) : rc;
		(void)unlink(part);
	}
	if (rc == 0) {
		directory_note_backup(&names);
	}
	directory_finish(&names);
	free(part);
	return rc;
}

/* Whether the file could be served: it is sound, and narrowd's, and not newer than this one. */
static int examine(const char *path, struct err *reterr)
{
	int64_t version;
	sqlite3 *db;
	int rc = must_exist(path, reterr);

	if (rc == 0) {
		rc = db_open(path, DB_REBUILD, &db, reterr);
	}
	if (rc != 0) {
		return rc;
	}
	rc = schema_examine(db, path, schema_step_count, &version, reterr);
	if (rc == 0 && version == 0) {
		rc = err_set(reterr, ERR_CORRUPT, "%s is an empty database", path);
	}
	if (rc == 0) {
		rc = schema_check(db, reterr);
	}
	(void)sqlite3_close(db);
	return rc == 0 && version == (int64_t)schema_step_count ? verify_file(path, reterr) : rc;
}

/* A -wal that could not be folded belongs to the old file, and would spoil the new one. */
static int put_aside(const struct directory *names, char **ret_old, struct err *reterr)
{
	char time[CLOCK_TEXT_SIZE];
	char *old, *old_wal;
	int rc = 0;

	if (access(names->database, F_OK) != 0) {
		return 0;
	}
	backup_fold(names->database);
	old = mem_printf("%s.replaced-%s", names->database, clock_format(clock_wall_ms(), time));
	old_wal = mem_printf("%s-wal", old);
	if (link(names->database, old) != 0 ||
	    (rename(names->wal, old_wal) != 0 && errno != ENOENT)) {
		rc = err_set(reterr, ERR_STORAGE, "cannot keep the old database as %s: %s", old,
			     strerror(errno));
	}
	(void)unlink(names->shm);
	free(old_wal);
	*ret_old = old;
	return rc;
}

int store_restore(const char *directory, const char *source, char **ret_old, struct err *reterr)
{
	struct directory names;
	char *part;
	int rc;

	*ret_old = NULL;
	directory_init(&names, directory);
	part = mem_printf("%s.restored", names.database);
	rc = examine(source, reterr);
	if (rc == 0) {
		rc = directory_lock(&names, directory, reterr);
	}
	if (rc == 0) {
		(void)unlink(part); /* of one that was killed */
		rc = copy_file(source, part, reterr);
	}
	if (rc == 0) {
		rc = put_aside(&names, ret_old, reterr);
		if (rc == 0 && rename(part, names.database) != 0) {
			rc = err_set(reterr, ERR_STORAGE, "cannot replace %s: %s", names.database,
				     strerror(errno));
		}
		(void)unlink(part);
	}
	if (rc == 0) {
		directory_mark(&names, 0);
		rc = backup_sync_folder(names.database, reterr);
	}
	directory_finish(&names);
	free(part);
	return rc;
}
