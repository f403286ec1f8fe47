/* Copies a database with SQLite's backup interface, and syncs the copy and its folder. */
#include "store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/db.h"

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

/* One step, so that the copy is of one moment whatever is committed meanwhile. */
static int copy_pages(sqlite3 *source, sqlite3 *copy, struct err *reterr)
{
	sqlite3_backup *backup = sqlite3_backup_init(copy, "main", source, "main");

	if (backup == NULL) {
		return db_error(copy, "starting a backup", reterr);
	}
	(void)sqlite3_backup_step(backup, -1);
	if (sqlite3_backup_finish(backup) != SQLITE_OK) {
		return db_error(copy, "copying", reterr);
	}
	/* The copy says "WAL" in its header, as its source does; alone it is one plain file. */
	return db_exec(copy, "PRAGMA journal_mode = DELETE", reterr);
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

int backup_copy(sqlite3 *source, const char *destination, struct err *reterr)
{
	sqlite3 *copy;
	int rc = create(destination, reterr);

	if (rc != 0) {
		return rc;
	}
	rc = db_open(destination, DB_COPY, &copy, reterr);
	if (rc == 0) {
		rc = copy_pages(source, copy, reterr);
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
