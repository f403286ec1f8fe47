/*
 * Room: what is done when the disk or the file's limit is full, and giving back what deleted rows took.
 *
 * A full disk leaves the reserve (directory.h) for what ends things; a full file a few pages of the same
 * size. Everything here is on the writer thread, but what its name says is read by any.
 */
#ifndef NARROWD_STORE_ROOM_H
#define NARROWD_STORE_ROOM_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "store/directory.h"

enum { ROOM_PROBE_MS = 1000 };

struct room {
	sqlite3 *db;                       /* the writer's, borrowed */
	sqlite3_stmt *pages, *unused;      /* what counts them; owned */
	const struct directory *directory; /* borrowed */
	int64_t page_bytes;
	int64_t max_pages; /* 0: no limit */
	int64_t probe_at_ms;
	bool gives_back; /* the file is of the kind that can shrink */
	bool sparse;     /* it has more free pages than are kept */
	int64_t rest_until_ms;
	atomic_bool full;                 /* any thread */
	atomic_int_least64_t used, whole; /* any thread: bytes in use, bytes of the file */
};

/* max_bytes limits the file, 0 does not. */
int room_init(struct room *room, sqlite3 *db, const struct directory *directory, int64_t max_bytes,
	      struct err *reterr);
void room_finish(struct room *room);
/* There is no space: what is urgent gets the reserve. */
void room_enter_full(struct room *room, const char *why);
/* Now and then, while it is full, looks for space. */
void room_probe(struct room *room);
/* Counts the pages, behind each commit. False when the disk did not let it. */
bool room_count(struct room *room);
/* Whether some pages should be given back now. */
bool room_is_sparse(const struct room *room);
/* Takes some free pages off the file's end, in the open transaction. */
int room_give_back(struct room *room, struct err *reterr);
/* It failed, or somebody is in the way: not again for a while. */
void room_rest(struct room *room);

#endif
