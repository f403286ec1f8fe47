/*
 * The store: jobs, their logs and everything else that must survive, in one SQLite database.
 *
 * All that a job does is a row of its append-only event log; `trial` rows and the job's counters,
 * state and best are projections, written by SQL in the transaction of the event that changes
 * them (store/project.c), and can be rebuilt from the log. One writer thread owns the only
 * read-write connection and commits what is queued as a group; an operation that was reported as
 * done is on disk. Reader threads answer queries on connections that cannot write.
 *
 * Everything here is called on the loop thread and calls back on it, never from inside the call.
 */
#ifndef NARROWD_STORE_STORE_H
#define NARROWD_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/histogram.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/loop.h"
#include "log/event.h"

struct store;

/* rc is 0 or a negative err_code; err (borrowed) says more when rc != 0. */
typedef void (*store_done_fn)(void *arg, int rc, const struct err *err);

/* The answer to a POST that is kept for its Idempotency-Key. All borrowed for the call. A NULL
 * body stands for the job's document as the transaction leaves it. */
struct store_key {
	const char *scope; /* who asked */
	const char *key;
	const char *fingerprint; /* of method, path and body, hexadecimal */
	int status;
	const char *location; /* or NULL */
	const char
		*body; /* NULL with a job's first events or later ones: the job's document then */
	int64_t at_ms;
};

/* NULL for NULL. */
struct store_key *store_key_copy(const struct store_key *key);
void store_key_free(struct store_key *key);

/* Whose is what was made without a token. */
#define STORE_LOCAL "local"

struct store_job {
	const char *id;
	const char *spec;       /* JSON as submitted, secrets redacted */
	const char *capability; /* JSON as used */
	const char *head;       /* JSON: what the job document shows and no event changes */
	const char *evaluator; /* JSON: how to reach the evaluator, secrets included; never shown */
	const char *matched;   /* JSON: what the dictionaries' entries matched; or NULL */
	const char *owner;     /* NULL: STORE_LOCAL */
};

struct store_options {
	const char *directory; /* created 0700 when missing */
	bool unsafe_sync;      /* synchronous=NORMAL: a power loss may take the last commits */
	const char *
		key_file; /* of what is sealed (seal.h); NULL or "": narrowd.key in the directory */
	int64_t max_bytes; /* of the database file; there it counts as full; 0: no limit */
	/* Of the PostgreSQL database whose log this is a replica of; NULL or "": it is the truth itself. */
	const char *postgresql;
	/* So many operations behind a snapshot at least the log there gets the next one, and shorter; 0: never. */
	int64_t snapshot_operations;
	bool standby; /* while another daemon writes to that log, follow it instead of failing with ERR_BUSY */
	int64_t lease_ms; /* of silence, after which another daemon takes this one's place; 0: 15 s */
};

enum { STORE_HOST_SIZE = 256 };

/* The daemon that writes to the log of a replica. */
struct store_writer {
	bool is_there; /* and alive, as far as is known */
	bool is_here;  /* on a machine with this one's name */
	char host[STORE_HOST_SIZE];
	char url[LIMIT_URL_BYTES + 1]; /* where it says to be reached; "" when it does not */
};

/* Takes the directory's lock, migrates, checks, starts the threads. Blocks; call before serving. */
struct store *store_open(struct loop *loop, const struct store_options *options,
			 struct err *reterr);
/* fn(arg, why) is called once when another program has written to the database or taken its files
 * away: nothing is stored any more, and the process is to end. */
void store_on_lost(struct store *store, void (*fn)(void *arg, const struct err *why), void *arg);
/* Whether this daemon only follows another one that writes: every write fails with ERR_STANDBY. */
bool store_is_spare(const struct store *store);
/* How far the log has been run here; 0 for a database that is no replica. */
int64_t store_position(const struct store *store);
/* Of a spare: the one that it follows now, and fn(arg) whenever that is another one, or reached elsewhere. */
void store_writer(const struct store *store, struct store_writer *ret);
void store_on_writer(struct store *store, loop_fn fn, void *arg);
/* Other daemons of the log are to know that this one is reached there, while it writes; NULL: nowhere. Copied. */
void store_advertise(struct store *store, const char *url);
/* fn(arg) is called once when that daemon is dead, or has ended: the store, closed and opened again, would write. */
void store_on_free(struct store *store, loop_fn fn, void *arg);
/* Of one that has stopped, and is not opened again: others need not wait for the place that was kept for it, if it was. */
void store_renounce(struct store *store);
/* Commits what is queued, checkpoints, stops the threads, then calls done(arg). */
void store_stop(struct store *store, loop_fn done, void *arg);
/* What cannot be stored within `ms`, as while PostgreSQL is away, fails from now on: the process is to end. Once. */
void store_hurry(struct store *store, int64_t ms);
void store_destroy(struct store *store);
/*
 * False while the disk is full: writes then fail at once with ERR_DISK_FULL, except for those that
 * change a job's state or delete. Becomes true again by itself when there is space.
 */
bool store_writable(const struct store *store);
/* False for that reason, too, while PostgreSQL is away: what is written then waits, and fails not at all. */
bool store_is_away(const struct store *store);

/* So much waits for PostgreSQL that who can come again should: what is written nevertheless waits, too. */
bool store_is_crowded(const struct store *store);

/*
 * Writes. Every text is copied; key may be NULL. A key is stored with the effect or not at all;
 * ERR_IDEMPOTENCY_BUSY when its scope has had it in the last 48 hours. done may be NULL.
 */
/* The events, none without data, are taken over. */
void store_job_insert(struct store *store, const struct store_job *job, struct log_event *events,
		      size_t count, const struct store_key *key, store_done_fn done, void *arg);
/* `version` is the number of the job's newest event before these; ERR_CONFLICT when it is not, so
 * that nothing is appended behind an operation that failed. */
void store_append(struct store *store, const char *job, int64_t version,
		  const struct log_event *events, size_t count, const struct store_key *key,
		  store_done_fn done, void *arg);
/* ERR_NOT_FOUND; ERR_WRONG_STATE unless the job is final. */
void store_job_delete(struct store *store, const char *job, store_done_fn done, void *arg);
/* `gone` are those that were deleted, borrowed; err->code is ERR_OK unless something is wrong with the
 * disk, and then there may be others. */
typedef void (*store_swept_fn)(void *arg, char *const *gone, size_t count, const struct err *err);
/* Deletes those of the jobs that are final and nobody reads, one after the other. `last_seqs` are their
 * newest events. */
void store_jobs_sweep(struct store *store, char *const *ids, const int64_t *last_seqs, size_t count,
		      store_swept_fn fn, void *arg);
/* fn(arg, job) is called whenever a job is gone, whoever deleted it, and when another daemon has written to one; NULL for
 * nobody. */
void store_on_gone(struct store *store, void (*fn)(void *arg, const char *job), void *arg);

/* What is kept; 0 means: any amount. Label keep=true keeps a job whatever else is said. */
struct store_retention {
	int64_t job_ms;      /* how long, after its end */
	int64_t jobs;        /* how many of one owner that have ended */
	int64_t bytes;       /* of the database, above which the oldest that have ended go */
	int64_t delivery_ms; /* how long, after its event, when nothing is due any more */
};

/* From now on what is beyond that is deleted; idempotency keys and leases of 48 hours ago in any case. */
void store_retain(struct store *store, const struct store_retention *retention);

/* Somebody reads a job, or events, in more than one query: what they have not read yet stays. */
struct store_hold {
	struct list node;
	const char *job; /* borrowed while it holds; NULL: whatever has events behind `after` */
	int64_t after;
};

/* False when the job is being deleted: it is as good as gone. To be released in either case. */
bool store_hold(struct store *store, struct store_hold *hold);
/* Harmless for one that is zeroed or released. */
void store_release(struct store_hold *hold);
/* An owner stays the one that it was when the evaluator was first put. */
void store_evaluator_put(struct store *store, const char *id, const char *document,
			 const char *secrets, const char *owner, const struct store_key *key,
			 store_done_fn done, void *arg);
void store_evaluator_delete(struct store *store, const char *id, store_done_fn done, void *arg);
/*
 * Webhooks. `document` has "events", and "job" and "labels" where they narrow what is told; what nobody is
 * shown is in `secrets`: its "secret" and whole "url". From now on every such event is stored together with a delivery, which the courier
 * (courier/courier.h) is to make; only of jobs of its owner. ERR_CONFLICT when there are LIMIT_WEBHOOKS.
 */
void store_webhook_put(struct store *store, const char *id, const char *document,
		       const char *secrets, const char *owner, const struct store_key *key,
		       store_done_fn done, void *arg);
/* Its deliveries go with it. ERR_NOT_FOUND. */
void store_webhook_delete(struct store *store, const char *id, store_done_fn done, void *arg);
/* Undoes what STORE_GONE did to later events. ERR_NOT_FOUND. */
void store_webhook_enable(struct store *store, const char *id, const struct store_key *key,
			  store_done_fn done, void *arg);

/* What becomes of a delivery after an attempt. */
enum store_verdict {
	STORE_DELIVERED,
	STORE_RETRY,
	STORE_DEAD, /* given up; the next event of the job has its turn */
	STORE_GONE, /* the receiver wants no more: its webhook is disabled, all that waits is dead */
};

struct store_attempt {
	const char *webhook;
	int64_t n; /* the delivery: the seq of its event */
	enum store_verdict verdict;
	int64_t at_ms;
	int64_t retry_at_ms; /* with STORE_RETRY */
	int status;          /* of the answer; 0 when none came */
	const char *error;   /* NULL when delivered */
};

/* ERR_NOT_FOUND when it is gone or was given up meanwhile. Tried even while the disk is full. */
void store_delivery_end(struct store *store, const struct store_attempt *attempt,
			store_done_fn done, void *arg);
/* A delivery that is dead is due again. ERR_NOT_FOUND; ERR_WRONG_STATE when it is not dead or its
 * webhook is disabled. */
void store_delivery_replay(struct store *store, const char *webhook, int64_t n, int64_t at_ms,
			   const struct store_key *key, store_done_fn done, void *arg);
/*
 * Tokens. `document` has digest, name, owner, scopes, pools, created_at and expires_at (ms). Those that
 * ended long ago make room. ERR_CONFLICT when there are LIMIT_TOKENS.
 */
void store_token_put(struct store *store, const char *id, const char *document,
		     const struct store_key *key, store_done_fn done, void *arg);
/* It ends at that moment, unless it has ended before. ERR_NOT_FOUND. */
void store_token_end(struct store *store, const char *id, int64_t at_ms, store_done_fn done,
		     void *arg);
/* When it was last used. */
void store_token_used(struct store *store, const char *id, int64_t at_ms);
/* What a change may be of. Deliveries are changed by events, too. */
enum store_topic {
	STORE_JOBS,
	STORE_EVALUATORS,
	STORE_WEBHOOKS,
	STORE_TOKENS,
	STORE_ANYTHING, /* what was refused, too: store_position() is another one */
	STORE_TOPICS_
};

struct store_watch;
/* Calls fn(arg) once, when something of the topic has been written; the watch is gone then. Queries
 * that are put from inside fn see the change. */
struct store_watch *store_watch(struct store *store, enum store_topic topic, loop_fn fn, void *arg);
/* No callback afterwards. */
void store_unwatch(struct store_watch *watch);
/* fn(arg) is called whenever there is something new to deliver; NULL for nobody. */
void store_on_deliveries(struct store *store, loop_fn fn, void *arg);
void store_key_put(struct store *store, const struct store_key *key, store_done_fn done, void *arg);

/*
 * Queries. Each row is `columns` texts (NULL for SQL NULL); what they are stands in query.h.
 * A parameter list is bound in order: text when text != NULL, null when is_null, else integer.
 */
struct store_value {
	const char *text;
	int64_t integer;
	bool is_null;
};

struct store_rows {
	size_t count;
	size_t columns;
	char **cells; /* row-major, borrowed by the callback */
};

/* The rows that a callback was given become the caller's, who frees them. */
void store_rows_take(const struct store_rows *rows, struct store_rows *ret);
void store_rows_free(struct store_rows *rows);

typedef void (*store_rows_fn)(void *arg, int rc, const struct store_rows *rows,
			      const struct err *err);

struct store_query_call;
struct store_query_call *store_query(struct store *store, int query,
				     const struct store_value *values, size_t count,
				     store_rows_fn fn, void *arg);
/* No callback afterwards. */
void store_query_cancel(struct store_query_call *call);

/* The same, blocking, on the caller's thread: for start-up and for offline commands only. */
int store_query_now(struct store *store, int query, const struct store_value *values, size_t count,
		    void (*row)(void *arg, char *const *cells), void *arg, struct err *reterr);

/* The same on any thread, over a connection of its own: for what reads long while others are served. */
int store_query_apart(struct store *store, int query, const struct store_value *values,
		      size_t count, void (*row)(void *arg, char *const *cells), void *arg,
		      struct err *reterr);

/* Recomputes every projection from the log into fresh tables and compares: 0, or ERR_CORRUPT and
 * the first difference. For tests and `narrowd check`. Opens its own connection to `directory`. */
int store_verify(const char *directory, struct err *reterr);
/* Of SQLite, as it runs. */
const char *store_engine_version(void);
/* Whether the URL of a PostgreSQL database is one; it is not connected to. ERR_CONFIG. */
int store_check_postgresql(const char *url, struct err *reterr);
/* Of PostgreSQL's client library; NULL when this was built without it. */
const char *store_postgres_version(void);
/* Online copy of the database in `directory` to the file `destination`, which must not exist: it is there
 * when it was verified as above, and not before. */
int store_backup(const char *directory, const char *destination, struct err *reterr);
/*
 * Puts the backup `source` in the place of the database in `directory`, which no daemon may use (ERR_BUSY).
 * It is looked at first: ERR_CORRUPT, ERR_NEWER_SCHEMA; one of an older schema is upgraded by the next
 * start. What was there stays beside it; *ret_old is its path, or NULL, owned by the caller. A kill leaves
 * either database.
 */
int store_restore(const char *directory, const char *source, char **ret_old, struct err *reterr);

/* What was moved between a data directory and PostgreSQL, alike on both sides. */
struct store_moved {
	int64_t jobs;
	int64_t events;
	int64_t bytes;
	char hash[65]; /* SHA-256 of the events in their order, hexadecimal */
};

/* All borrowed. */
struct store_move {
	const char *directory;
	const char *key_file; /* of what is sealed; NULL or "": that in the directory */
	const char *backup;   /* of what was in that directory, to be moved instead; or NULL */
};

/* Who can stop the daemon of that directory: each is called once when there is one, and not otherwise. */
struct store_mover {
	void (*stop)(void *arg);  /* it is to be stopped: nothing goes on before */
	void (*start)(void *arg); /* PostgreSQL has all of it, and one can be started there */
	void *arg;
};

/*
 * Takes the database in a directory to the PostgreSQL database at `url`, which has to be empty: ERR_CONFLICT. It is verified before it is
 * sent; read back from there and compared by its hash before anybody sees it. Of what a daemon writes meanwhile that is verified at last, when it
 * may have been started there: ERR_CORRUPT. ERR_BUSY while another move of it goes on, ERR_DISK_FULL when the copies
 * that are made beside it have no room. The directory stays as it is. Killed before its COMMIT, it leaves nothing there; behind it, a whole log. Blocks.
 */
int store_migrate_to(const struct store_move *what, const char *url, const struct store_mover *who,
		     struct store_moved *ret, struct err *reterr);
/*
 * The opposite: `directory`, which has nothing but that key, or is a replica of that log, gets a database of its own with all that stands in the log at
 * `url`, which ends there: no daemon goes on from it. ERR_BUSY while one is connected, ERR_NOT_FOUND without a log. Blocks.
 */
int store_migrate_from(const char *url, const char *key_file, const char *directory,
		       struct store_moved *ret, struct err *reterr);

struct meter_counts {
	uint64_t connects;            /* to PostgreSQL, by who appends or follows */
	struct histogram append_time; /* of groups, until PostgreSQL has committed them */
};

struct store_stats {
	uint64_t commits;
	uint64_t operations;
	uint64_t failures;
	uint64_t notified; /* how often PostgreSQL has told that others have appended */
	int64_t queued;
	struct histogram commit_time; /* of group commits, the flush of the disk included */
	struct meter_counts log;
	int64_t snapshot; /* the position in the log of the newest one that this daemon knows of, or 0 */
	int64_t wal_bytes;
	int64_t used_bytes; /* of the database's pages, without free ones */
	int64_t file_bytes;
	int64_t backup_at_ms; /* wall clock; when the last backup was complete, or 0 */
};
void store_stats(const struct store *store, struct store_stats *ret);

#endif
