/*
 * The log of operations in PostgreSQL: which one it is, and who may append to it (oplog.h).
 *
 * Every function that talks to PostgreSQL connects when there is no connection. What it says on failure is either that
 * PostgreSQL is away, ERR_STORAGE, and then the same call may be made again until it succeeds; or it is final:
 * ERR_BUSY when another daemon has taken this one's place or the log begins behind the replica, ERR_CORRUPT when the log is not the one that was read before,
 * ERR_NEWER_SCHEMA, ERR_CONFIG. One thread at a time.
 */
#ifndef NARROWD_STORE_SHARED_H
#define NARROWD_STORE_SHARED_H

#include "store/meter.h"
#include "store/postgres.h"
#include "store/replica.h"
#include "store/pgsession.h"
#include "store/store.h"

enum {
	/* A daemon that was not seen for so long is dead, and what it still wants to append is not taken; unless its row says
	 * another time. */
	SHARED_LEASE_MS = 15000,
	SHARED_NUMBER_SIZE = 24,
};

/* Begins a transaction: one at a time makes the schema, joins, or ends the log. */
#define SHARED_BEGIN_ALONE "BEGIN; SELECT pg_advisory_xact_lock(1852796535)"

/* A lock of its own number, which each daemon of a log shares for as long as it is connected, whether it writes or waits. */
#define SHARED_PRESENCE "1852796536"

struct shared {
	struct postgres *postgres;
	struct pgsession session;
	struct meter meter;
	const struct replica *replica; /* borrowed; NULL before shared_join() */
	char *name;                    /* of the log; NULL before it is known */
	char *proof;
	bool checked; /* the connection leads to that log, and it has what the replica has */
	bool listens; /* for what others append */
	bool stays;   /* of a daemon: who takes the log away is to see it */
	bool joined;
	bool has_other; /* another daemon appends, which is: */
	struct store_writer other;
	int64_t other_lease_ms; /* of the newest one that was seen */
	int64_t lease_ms;       /* of this one */
	char *url;              /* where others reach this one; owned, or NULL */
	bool url_is_said;
	char epoch[SHARED_NUMBER_SIZE];
	int64_t serial; /* of the newest op that was appended */
	int64_t beat_at_ms;
	int64_t looks_since_ms; /* without a break, for the place of another one; 0: does not yet */
};

/* Looks at the URL only. lease_ms 0 is SHARED_LEASE_MS. */
struct shared *shared_create(const char *url, int64_t lease_ms, struct err *reterr);
void shared_destroy(struct shared *shared);
/* Is asked some times a second while PostgreSQL is waited for. */
void shared_give_up_when(struct shared *shared, bool (*give_up)(void *arg), void *arg);
/* Connects unless there is a connection, and looks whether the log is the one that it was. */
int shared_connect(struct shared *shared, struct err *reterr);
/* The same for a daemon, which whoever takes the log away is to see until shared_leave(). ERR_CONFIG behind a pooler of
 * transactions. */
int shared_stay(struct shared *shared, struct err *reterr);
/* Waits as postgres_wait() does: `listens` is to be set before the connection is made. */
bool shared_wait(struct shared *shared, int wake, int64_t ms);
/* A statement on that connection. */
int shared_run(struct shared *shared, const char *sql, const struct postgres_value *values,
	       size_t count, struct postgres_rows *ret_rows, struct err *reterr);
/* By which who seals secrets for this log shows that the key is the same; NULL: there is no log yet. Borrowed. */
const char *shared_proof(const struct shared *shared);
/* Begins the log unless somebody has, with the key of this process. */
int shared_make(struct shared *shared, struct err *reterr);
/* What else stands in a log from the start; in the transaction that makes it. */
typedef int (*shared_fill_fn)(struct shared *shared, void *arg, struct err *reterr);
/* Begins the log under that name. There is a connection, and no log. */
int shared_begin(struct shared *shared, const char *name, shared_fill_fn fill, void *arg,
		 struct err *reterr);
/*
 * Whether what was run up to that place is what this log has, ERR_CORRUPT when it is not, and whether what comes next
 * stands there no more. There is a connection.
 */
int shared_check_place(struct shared *shared, const struct replica_place *at, bool *ret_behind,
		       struct err *reterr);
/* The same of the replica; ERR_BUSY when it is behind. */
int shared_check_replica(struct shared *shared, struct err *reterr);
/* What the log is called; borrowed. */
const char *shared_name(const struct shared *shared);
/*
 * From now on this daemon may append. ERR_BUSY while another one does; one that is dead is shut out. `replica` is
 * borrowed: the log must have what it says at its place.
 */
int shared_join(struct shared *shared, const struct replica *replica, struct err *reterr);

/* Others are to know that this daemon, once it has joined, is reached there; NULL: it is not. Copied. */
void shared_advertise(struct shared *shared, const char *url);
/* Says that this daemon lives, when it is time to, and where it is reached, when that is not said. */
int shared_beat(struct shared *shared, struct err *reterr);
/* It has said so, at that moment of the monotonic clock or later. */
void shared_beats(struct shared *shared, int64_t since_ms);
/* Looks who appends, and whether nobody does, so that shared_join() would not be refused. */
int shared_look(struct shared *shared, bool *ret_free, struct err *reterr);
/* Others need not wait for the end of the lease. */
void shared_leave(struct shared *shared);

#endif
