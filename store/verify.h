/*
 * Does the database say what its log says?
 */
#ifndef NARROWD_STORE_VERIFY_H
#define NARROWD_STORE_VERIFY_H

#include <sqlite3.h>

#include "base/err.h"

/*
 * Checks the file, then rebuilds every projection from the log and compares. `db` is open as
 * DB_REBUILD and is left with an open transaction. ERR_CORRUPT names the first difference.
 */
int verify_run(sqlite3 *db, struct err *reterr);

#endif
