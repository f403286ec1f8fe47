/*
 * Whether the store is alone with its files, which all that is in memory relies on.
 *
 * SQLite lets any program write to the database that may, and goes on writing to files that have
 * been removed. Neither can be undone, so the daemon is to stop before it builds on what is not so.
 */
#ifndef NARROWD_STORE_ALONE_H
#define NARROWD_STORE_ALONE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "store/directory.h"

enum { ALONE_FILES = 3 };

struct alone {
	const struct directory *directory; /* borrowed */
	sqlite3_stmt *version; /* of the data: changes when another connection commits */
	int64_t last;
	bool faulted; /* the disk has failed: SQLite may count its reading anew as a commit */
	struct {
		const char *path;
		dev_t device;
		ino_t inode;
	} files[ALONE_FILES];
};

/* Remembers how things are; inside a write transaction of `db`, so that nobody can change them. */
int alone_init(struct alone *alone, sqlite3 *db, const struct directory *directory,
	       struct err *reterr);
void alone_finish(struct alone *alone);
/* ERR_BUSY when somebody else has committed, ERR_STORAGE when nobody can tell; inside a write transaction. */
int alone_check_data(struct alone *alone, struct err *reterr);
/* ERR_STORAGE when a file that is open is not at its path any more. */
int alone_check_files(const struct alone *alone, struct err *reterr);

#endif
