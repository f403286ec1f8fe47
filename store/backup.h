/*
 * Copies of a database that is in use.
 */
#ifndef NARROWD_STORE_BACKUP_H
#define NARROWD_STORE_BACKUP_H

#include <sqlite3.h>
#include <stdbool.h>

#include "base/err.h"

enum { BACKUP_STEP_PAGES = 1024 };

/*
 * Copies what `source` sees to the new file `destination` (0600) and has it on disk. ERR_CONFLICT
 * when the file exists; after any other failure it does not.
 */
int backup_copy(sqlite3 *source, const char *destination, struct err *reterr);
/* The same, broken off with ERR_TIMEOUT when give_up() says so; it is asked behind every BACKUP_STEP_PAGES. */
int backup_copy_unless(sqlite3 *source, const char *destination, bool (*give_up)(void *arg),
		       void *arg, struct err *reterr);
/* Has all of a database in its one file, if it can still be read; nobody has it open. */
void backup_fold(const char *path);
/* What was made, moved or removed in the folder of `path` stays so, whatever happens to the power. */
int backup_sync_folder(const char *path, struct err *reterr);

/* Whether so many copies of it have room beside the file `path` and leave the reserve: ERR_DISK_FULL. */
int backup_check_room(sqlite3 *source, const char *path, int copies, struct err *reterr);

#endif
