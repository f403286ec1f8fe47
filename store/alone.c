/* Compares what SQLite counts and what stands at the files' paths with what was there at the start. */
#include "store/alone.h"

#include <sys/stat.h>

#include "store/db.h"

static int read_version(const struct alone *alone, int64_t *ret_version, struct err *reterr)
{
	int rc = 0;

	if (sqlite3_step(alone->version) == SQLITE_ROW) {
		*ret_version = sqlite3_column_int64(alone->version, 0);
	} else {
		rc = db_error(sqlite3_db_handle(alone->version), "looking for other writers",
			      reterr);
	}
	db_reset(alone->version);
	return rc;
}

int alone_init(struct alone *alone, sqlite3 *db, const struct directory *directory,
	       struct err *reterr)
{
	const char *const paths[ALONE_FILES] = {directory->database, directory->wal,
						directory->shm};
	int rc = db_prepare(db, "PRAGMA data_version", &alone->version, reterr);

	alone->directory = directory;
	for (size_t i = 0; i < ALONE_FILES; i++) {
		struct stat status = {0};

		(void)stat(paths[i],
			   &status); /* what is missing already is said at the first look */
		alone->files[i].path = paths[i];
		alone->files[i].device = status.st_dev;
		alone->files[i].inode = status.st_ino;
	}
	return rc == 0 ? read_version(alone, &alone->last, reterr) : rc;
}

void alone_finish(struct alone *alone)
{
	(void)sqlite3_finalize(alone->version);
	alone->version = NULL;
}

int alone_check_data(struct alone *alone, struct err *reterr)
{
	int64_t version;
	int rc = read_version(alone, &version, reterr);

	if (rc == 0 && version != alone->last && alone->faulted) {
		return err_set(reterr, ERR_STORAGE,
			       "after a fault SQLite has read %s anew, as if somebody else had "
			       "written to it",
			       alone->directory->database);
	}
	if (rc == 0 && version != alone->last) {
		rc = err_set(reterr, ERR_BUSY,
			     "another program has written to %s: only narrowd may, while it runs",
			     alone->directory->database);
	}
	return rc;
}

int alone_check_files(const struct alone *alone, struct err *reterr)
{
	for (size_t i = 0; i < ALONE_FILES; i++) {
		struct stat status;

		if (stat(alone->files[i].path, &status) != 0 ||
		    status.st_dev != alone->files[i].device ||
		    status.st_ino != alone->files[i].inode) {
			return err_set(reterr, ERR_STORAGE,
				       "somebody has removed or replaced %s while it was in use",
				       alone->files[i].path);
		}
	}
	return 0;
}
