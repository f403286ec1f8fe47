/*
 * The schema: its versions, and how a database is brought to the newest one.
 */
#ifndef NARROWD_STORE_SCHEMA_H
#define NARROWD_STORE_SCHEMA_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* "narw", in the file's header. */
enum { SCHEMA_APPLICATION_ID = 0x6e617277 };

/* Every step of the schema so far: steps[v] leads from version v to v + 1. */
extern const char *const schema_steps[];
extern const size_t schema_step_count;

/*
 * Brings the database at `path`, open as `db`, to version `count`, a transaction for each step,
 * after copying what was there to PATH.before-COUNT. ERR_NEWER_SCHEMA when it is already beyond
 * that, ERR_CORRUPT when it is not narrowd's.
 */
int schema_upgrade(sqlite3 *db, const char *path, const char *const *steps, size_t count,
		   struct err *reterr);
/* Whether a database is narrowd's and not beyond version `count`; both faults as above. */
int schema_examine(sqlite3 *db, const char *path, size_t count, int64_t *ret_version,
		   struct err *reterr);
/* ERR_CORRUPT and what is wrong, unless every page of the file is as it must be. */
int schema_check(sqlite3 *db, struct err *reterr);

#endif
