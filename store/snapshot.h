/*
 * Snapshots: the database of a replica, as it was at a position of the log, kept in PostgreSQL in pieces.
 *
 * Who has nothing, or stayed behind too far, begins from the newest one, so that the operations before it can go: a log
 * gets shorter. A log that was moved to PostgreSQL begins with one at position 0. Fails as shared.h says; what is
 * asked once more after ERR_STORAGE does no harm. One thread at a time for one `shared`.
 */
#ifndef NARROWD_STORE_SNAPSHOT_H
#define NARROWD_STORE_SNAPSHOT_H

#include "store/digest.h"
#include "store/replica.h"
#include "store/shared.h"

enum { SNAPSHOT_ID_SIZE = 40 };

struct snapshot {
	char id[SNAPSHOT_ID_SIZE];
	struct replica_place at;
	int64_t bytes;
	char hash[DIGEST_HEX_SIZE]; /* SHA-256 of the file, hexadecimal */
};

/* The newest one; false when there is none. There is a connection. */
int snapshot_find(struct shared *shared, struct snapshot *ret, bool *ret_there, struct err *reterr);
/* Sends a file that nobody writes to, of a database that is at that place. It is found when it is whole. */
int snapshot_put(struct shared *shared, const char *path, const struct replica_place *at,
		 struct snapshot *ret, struct err *reterr);
/*
 * Makes it one of the file `path` instead, of which nobody sees the half when it is done in a transaction. What is as in the file `before`, of
 * which it was, is not sent again.
 */
int snapshot_replace(struct shared *shared, struct snapshot *snapshot, const char *before,
		     const char *path, struct err *reterr);
/* Reads all of it, and compares its hash: ERR_CORRUPT. */
int snapshot_compare(struct shared *shared, const struct snapshot *snapshot, struct err *reterr);
/* Writes it to the new file (0600), syncs that, and compares its hash: ERR_CORRUPT. No file is left when it fails. */
int snapshot_get(struct shared *shared, const struct snapshot *snapshot, const char *path,
		 struct err *reterr);
/* Removes older snapshots, and the operations that stand more than `tail` before this one. */
int snapshot_shorten(struct shared *shared, const struct snapshot *snapshot, int64_t tail,
		     struct err *reterr);

#endif
