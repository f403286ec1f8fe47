/*
 * Copies of a database that is in use.
 */
#ifndef NARROWD_STORE_BACKUP_H
#define NARROWD_STORE_BACKUP_H

#include <sqlite3.h>

#include "base/err.h"

/*
 * Copies what `source` sees to the new file `destination` (0600) and has it on disk. ERR_CONFLICT
 * when the file exists; after any other failure it does not.
 */
int backup_copy(sqlite3 *source, const char *destination, struct err *reterr);
/* Has all of a database in its one file, if it can still be read; nobody has it open. */
void backup_fold(const char *path);
/* What was made, moved or removed in the folder of `path` stays so, whatever happens to the power. */
int backup_sync_folder(const char *path, struct err *reterr);

#endif
