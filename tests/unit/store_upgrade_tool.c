/*
 * store-upgrade FILE VERSION [N]: brings a database to a version of its schema as a start of the daemon does, and kills
 * itself in the middle, after N times a few steps of SQLite's. Prints how often it could have been killed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/db.h"
#include "store/schema.h"
#include "store/seal.h"

enum { STEPS = 50 };

static long passed, end;

static int on_progress(void *arg)
{
	(void)arg;
	if (++passed == end) {
		(void)raise(SIGKILL);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct err err;
	sqlite3 *db;
	int rc;

	if (argc < 3) {
		(void)fprintf(stderr, "usage: %s FILE VERSION [N]\n", argv[0]);
		return 64;
	}
	end = argc > 3 ? strtol(argv[3], NULL, 10) : 0;
	rc = db_open(argv[1], DB_WRITER, &db, &err);
	if (rc == 0) {
		const char *slash = strrchr(argv[1], '/');
		char *key = mem_printf("%.*snarrowd.key",
				       slash != NULL ? (int)(slash + 1 - argv[1]) : 0, argv[1]);

		rc = seal_take_key(db, key, &err);
		free(key);
	}
	if (rc == 0) {
		sqlite3_progress_handler(db, STEPS, on_progress, NULL);
		rc = schema_upgrade(db, argv[1], schema_steps, strtoul(argv[2], NULL, 10), &err);
		(void)sqlite3_close(db);
	}
	if (rc != 0) {
		(void)fprintf(stderr, "%s\n", err.message);
		return err_exit_code(err.code);
	}
	(void)printf("%ld\n", passed);
	return 0;
}
