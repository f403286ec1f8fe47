/*
 * The writer thread: the only one that commits.
 *
 * It takes what is queued, up to QUEUE_GROUP_OPS operations, runs each in a savepoint of one
 * transaction, commits once, and then reports all of them; while it waits for the disk the next
 * group gathers. All functions are called on the loop thread.
 *
 * With a log that several daemons share the group goes there first (follow.h), and what others have appended before it is
 * run before it. While it is run here the next one is on its way there.
 */
#ifndef NARROWD_STORE_WRITER_H
#define NARROWD_STORE_WRITER_H

#include "store/directory.h"
#include "store/queue.h"
#include "store/shared.h"

struct writer;

/* All borrowed. */
struct writer_options {
	const struct directory *directory;
	int64_t max_bytes;       /* limits the database file, 0 does not */
	struct shared *shared;   /* NULL: the database is the truth itself */
	struct replica *replica; /* with `shared` */
	bool standby;            /* another daemon appends there */
};

/* Takes over `db` in any case, and the replica's statement; closes them in writer_destroy(). With a shared log it runs
 * what stands there already. */
struct writer *writer_create(struct loop *loop, sqlite3 *db, const struct writer_options *options,
			     struct err *reterr);
/* Takes over the op. Once writer_stop() was called the result is ERR_DRAINING. */
void writer_push(struct writer *writer, struct op *op);
/* Who is told of what was written. */
struct news *writer_news(struct writer *writer);
/* fn(arg, why) is called once when somebody else has written, or files are gone: from then on every
 * op fails. */
void writer_on_lost(struct writer *writer, void (*fn)(void *arg, const struct err *why), void *arg);
/* fn(arg) is called once when the daemon that appends in this one's place is dead. */
void writer_on_free(struct writer *writer, void (*fn)(void *arg), void *arg);
/* How far the shared log has been run; 0 without one. */
int64_t writer_position(const struct writer *writer);
/* While another daemon appends: who that is, and fn(arg) whenever that is another one. */
void writer_look(struct writer *writer, struct store_writer *ret);
void writer_on_writer(struct writer *writer, void (*fn)(void *arg), void *arg);
/* Other daemons are to know that this one is reached there, while it appends; NULL: it is not. */
void writer_advertise(struct writer *writer, const char *url);
bool writer_writable(const struct writer *writer);
/* PostgreSQL is away: what is pushed waits. */
bool writer_is_away(const struct writer *writer);
/* ... and so much waits that who can come again should. */
bool writer_is_crowded(struct writer *writer);
/* All of `ret` but wal_bytes. */
void writer_stats(struct writer *writer, struct store_stats *ret);
/* Of a shared log: what cannot be appended within `ms` fails from now on. The first one counts. */
void writer_hurry(struct writer *writer, int64_t ms);
/* Commits what is queued, checkpoints, then calls done(arg); writer_destroy() may follow. */
void writer_stop(struct writer *writer, loop_fn done, void *arg);
void writer_destroy(struct writer *writer);

#endif
