/*
 * Applying a group of operations: one transaction on the one connection that may write.
 *
 * Everything here is on the writer thread, but for what struct room says of itself. When the disk is full the group is
 * rolled back, and ops that only add are refused until there is space again. When a commit fails in a way that leaves
 * it open whether it is on disk, its ops are reported as ERR_COMMIT_UNKNOWN; after an I/O error there the process ends
 * at once, because what the kernel did with the pages cannot be known, and a restart recovers from what is on disk.
 */
#ifndef NARROWD_STORE_APPLY_H
#define NARROWD_STORE_APPLY_H

#include "store/alone.h"
#include "store/op.h"
#include "store/replica.h"
#include "store/room.h"

struct apply {
	sqlite3 *db;                       /* owned */
	const struct directory *directory; /* borrowed */
	struct op_runner runner;
	sqlite3_stmt *begin;
	sqlite3_stmt *commit;
	struct room room;
	struct alone alone;
	struct replica *replica; /* of a log that is elsewhere, borrowed; NULL: the truth is here */
	int64_t look_at_ms;      /* the next time at the files */
	int64_t marked;
	bool lost; /* not alone any more: nothing is written */
	struct err why;
	void (*on_lost)(void *arg); /* once */
	void (*on_commit)(void *arg, double seconds);
	void *arg;
};

/* Takes over `db` in any case. On failure apply_finish() is to be called, too. */
int apply_init(struct apply *apply, sqlite3 *db, const struct directory *directory,
	       int64_t max_bytes, struct err *reterr);
void apply_finish(struct apply *apply);
/* Runs what may run, commits, and gives every op its result. */
void apply_group(struct apply *apply, struct op *const *ops, size_t count);
/*
 * The same for ops that stand in the replica's log, the last of them at `place`: each is run, since all replicas do,
 * and each has its result when this is 0. Otherwise nothing was done.
 */
int apply_logged(struct apply *apply, struct op *const *ops, size_t count,
		 const struct replica_place *place, struct err *reterr);
/* From now on nothing is written: the database is not ours alone, or not what it should be. */
int apply_lose(struct apply *apply, const struct err *why);
/* Some free pages go back; only while no op waits. */
void apply_give_back(struct apply *apply);
/* Looks, not too often, whether the files are ours, and for space when there was none. */
void apply_look(struct apply *apply);
/* Leaves all of it in the database's own file. */
void apply_end(struct apply *apply);

#endif
