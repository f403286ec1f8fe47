/* Copies a database with SQLite's backup interface, and syncs the copy and its folder. */
#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/db.h"
#include "store/directory.h"

enum { SYNC_STEPS = 16 /* 64 MiB */ };

static int create(const char *path, struct err *reterr)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, DB_FILE_MODE);

	if (fd < 0) {
		return err_set(reterr, errno == EEXIST ? ERR_CONFLICT : ERR_STORAGE,
			       "cannot create %s: %s", path, strerror(errno));
	}
	(void)close(fd);
	return 0;
}

static int broken_off(struct err *reterr)
{
	return err_set(reterr, ERR_TIMEOUT, "the copy was broken off");
}

/* What was copied so far, so that the sync at the end is a short one. */
static int sync_so_far(sqlite3 *copy, struct err *reterr)
{
	sqlite3_file *file = NULL;

	(void)sqlite3_file_control(copy, "main", SQLITE_FCNTL_FILE_POINTER, (void *)&file);
	if (file != NULL && file->pMethods != NULL &&
	    file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY) != SQLITE_OK) {
		return err_set(reterr, ERR_STORAGE, "cannot sync a copy");
	}
	return 0;
}

static int copy_steps(sqlite3_backup *backup, sqlite3 *copy, bool (*give_up)(void *arg), void *arg,
		      struct err *reterr)
{
	int step = SQLITE_OK;
	int rc = 0;

	for (int steps = 1; rc == 0 && step == SQLITE_OK; steps++) {
		step = sqlite3_backup_step(backup, BACKUP_STEP_PAGES);
		if (step == SQLITE_OK && give_up != NULL && give_up(arg)) {
			rc = broken_off(reterr);
		} else if (step == SQLITE_BUSY || step == SQLITE_LOCKED) {
			/* No fault for sqlite3_backup_finish(). */
			rc = err_set(reterr, ERR_BUSY, "somebody else holds the database");
		} else if (steps % SYNC_STEPS == 0) {
			rc = sync_so_far(copy, reterr);
		}
	}
	return rc;
}

static int copy_pages(sqlite3 *source, sqlite3 *copy, bool (*give_up)(void *arg), void *arg,
		      struct err *reterr)
{
	sqlite3_backup *backup = sqlite3_backup_init(copy, "main", source, "main");
	int rc;

	if (backup == NULL) {
		return db_error(copy, "starting a backup", reterr);
	}
	rc = copy_steps(backup, copy, give_up, arg, reterr);
	if (sqlite3_backup_finish(backup) != SQLITE_OK && rc == 0) {
		rc = db_error(copy, "copying", reterr);
	}
	/* The copy says "WAL" in its header, as its source does; alone it is one plain file. */
	return rc == 0 ? db_exec(copy, "PRAGMA journal_mode = DELETE", reterr) : rc;
}

/* One transaction, so that the copy is of one moment whatever is committed between the steps. */
static int copy_moment(sqlite3 *source, sqlite3 *copy, bool (*give_up)(void *arg), void *arg,
		       struct err *reterr)
{
	bool begun = sqlite3_get_autocommit(source) != 0;
	int64_t any;
	int rc = begun ? db_exec(source, "BEGIN", reterr) : 0;

	if (rc == 0) {
		rc = db_integer(source, "SELECT count(*) FROM sqlite_schema", &any, reterr);
		rc = rc == 0 ? copy_pages(source, copy, give_up, arg, reterr) : rc;
		if (begun) {
			(void)db_exec(source, "ROLLBACK", NULL);
		}
	}
	return rc;
}

int backup_sync_folder(const char *path, struct err *reterr)
{
	const char *slash = strrchr(path, '/');
	char *directory =
		slash == NULL ? mem_dup(".") : mem_dup_n(path, (size_t)(slash - path) + 1);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0 || fsync(fd) != 0) {
		rc = err_set(reterr, ERR_STORAGE, "cannot sync the directory of %s: %s", path,
			     strerror(errno));
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	free(directory);
	return rc;
}

void backup_fold(const char *path)
{
	struct err err;
	sqlite3 *db;

	if (db_open(path, DB_WRITER, &db, &err) == 0) {
		(void)sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
		(void)sqlite3_close(db);
	}
}

int backup_check_room(sqlite3 *source, const char *path, int copies, struct err *reterr)
{
	int64_t bytes;
	int rc = db_integer(
		source, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
		&bytes, reterr);

	return rc == 0 ? directory_check_room(path, copies * bytes, reterr) : rc;
}

int backup_copy(sqlite3 *source, const char *destination, struct err *reterr)
{
	return backup_copy_unless(source, destination, NULL, NULL, reterr);
}

int backup_copy_unless(sqlite3 *source, const char *destination, bool (*give_up)(void *arg),
		       void *arg, struct err *reterr)
{
	sqlite3 *copy;
	int rc = create(destination, reterr);

	if (rc != 0) {
		return rc;
	}
	rc = db_open(destination, DB_COPY, &copy, reterr);
	if (rc == 0) {
		rc = copy_moment(source, copy, give_up, arg, reterr);
		(void)sqlite3_close(copy);
	}
	if (rc == 0) {
		rc = backup_sync_folder(destination, reterr);
	}
	if (rc != 0) {
		(void)unlink(destination);
	}
	return rc;
}
