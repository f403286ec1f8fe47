/* Looks whether a replica can go on from where it is, and gets it a snapshot when it cannot. */
#include "store/regain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/backup.h"
#include "store/db.h"
#include "store/snapshot.h"

/* Before a log is made for it, and before a key is asked for, a directory that has other things is refused. */
static int look(struct shared *shared, const char *path, bool *ret_needed, struct err *reterr)
{
	const char *log = shared_name(shared);
	struct replica_place at;
	sqlite3 *db;
	int rc = db_open(path, DB_REBUILD, &db, reterr);

	if (rc == 0) {
		rc = replica_look(db, log != NULL ? log : "none", ret_needed, &at, reterr);
		(void)sqlite3_close(db);
	}
	if (rc == 0 && log == NULL) {
		*ret_needed = false;
	} else if (rc == 0 && !*ret_needed) {
		rc = shared_check_place(shared, &at, ret_needed, reterr);
	}
	return rc;
}

/* One that is fetched while a newer one takes its place is not whole. */
static int fetch(struct shared *shared, const char *path, struct snapshot *ret, bool *ret_there,
		 struct err *reterr)
{
	char tried[SNAPSHOT_ID_SIZE] = "";
	int rc;

	for (;;) {
		struct err why;

		rc = shared_connect(shared, reterr);
		if (rc == 0) {
			rc = snapshot_find(shared, ret, ret_there, reterr);
		}
		if (rc != 0 || !*ret_there) {
			return rc;
		}
		rc = snapshot_get(shared, ret, path, &why);
		if (rc != -(int)ERR_CORRUPT || strcmp(tried, ret->id) == 0) {
			return rc == 0 ? 0 : err_set(reterr, why.code, "%s", why.message);
		}
		(void)snprintf(tried, sizeof(tried), "%s", ret->id);
	}
}

/* What is in the old file stands in the log; its -wal would spoil the new one. */
static int put_in_place(const struct directory *directory, const char *part, struct err *reterr)
{
	backup_fold(directory->database);
	(void)unlink(directory->wal);
	(void)unlink(directory->shm);
	if (rename(part, directory->database) != 0) {
		return err_set(reterr, ERR_STORAGE, "cannot replace %s: %s", directory->database,
			       strerror(errno));
	}
	return backup_sync_folder(directory->database, reterr);
}

static int begin_again(struct shared *shared, const struct directory *directory, struct err *reterr)
{
	char *part = mem_printf("%s.snapshot", directory->database);
	struct snapshot snapshot;
	bool there = false;
	int rc;

	(void)unlink(part); /* of a start that was killed */
	rc = fetch(shared, part, &snapshot, &there, reterr);
	if (rc == 0 && there) {
		rc = put_in_place(directory, part, reterr);
	}
	if (rc == 0 && there) {
		log_line(LOG_INFO, "begins from a snapshot of the log in PostgreSQL",
			 LOG_INT("position", snapshot.at.position),
			 LOG_INT("bytes", snapshot.bytes));
	}
	free(part);
	return rc;
}

int regain_run(struct shared *shared, const struct directory *directory, struct err *reterr)
{
	bool needed = false;
	int rc = look(shared, directory->database, &needed, reterr);

	return rc == 0 && needed ? begin_again(shared, directory, reterr) : rc;
}
