/*
 * Keeps the log in PostgreSQL short: when it has grown enough, puts a snapshot of this replica there, after verifying it
 * as `narrowd check` does, and removes what stands before.
 *
 * A thread of its own with connections of its own, so that nobody who writes waits for it. What fails is logged and tried
 * again later, less and less often, unless something is damaged; a daemon that has lost its place does no harm, for what it sends is true in any case.
 */
#ifndef NARROWD_STORE_KEEPER_H
#define NARROWD_STORE_KEEPER_H

#include "base/loop.h"
#include "store/directory.h"

struct keeper;

enum {
	/* The next snapshot is due behind one operation for so many bytes of the database, at least. */
	KEEPER_BYTES_OF_OP = 4096,
	/* Of the operations between two, a replica may be so many behind: one in ... */
	KEEPER_TAIL = 10,
};

/* Borrowed for its life, but for the URL. */
struct keeper_options {
	const struct directory *directory;
	const char *url;    /* of the PostgreSQL database */
	int64_t operations; /* so many behind a snapshot at least the next one is due */
	int64_t fault_s;    /* the first rest behind a fault; 0: as usual */
};

/* ERR_NO_MEMORY when there is no thread. */
struct keeper *keeper_create(struct loop *loop, const struct keeper_options *options,
			     struct err *reterr);
/* Breaks off what it does, and waits for its end. */
void keeper_destroy(struct keeper *keeper);
/* The position of the newest snapshot, 0 while that is not known, and of NULL. Any thread. */
int64_t keeper_snapshot(const struct keeper *keeper);

#endif
