/* Commits what is queued in groups, on the one connection that may write. */
#include "store/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/alone.h"
#include "store/db.h"
#include "store/room.h"
#include "store/thread.h"

/* Nobody else may hold the database, so that this is long. */
enum { STRANGER_MS = 500 };

struct writer {
	struct loop *loop;
	struct thread thread;
	bool started;
	sqlite3 *db;
	const struct directory *directory;
	struct op_runner runner;
	struct news news; /* used on the loop only */
	sqlite3_stmt *begin;
	sqlite3_stmt *commit;
	struct room room;
	struct alone alone;
	int64_t look_at_ms; /* the next time at the files */
	int64_t marked;
	bool lost; /* not alone any more: nothing is written */
	struct err why;
	struct loop_task alarm;
	void (*on_lost)(void *arg, const struct err *why); /* used on the loop only */
	void *on_lost_arg;
	pthread_mutex_t lock; /* guards the next five */
	pthread_cond_t wake;
	struct list queue;
	int64_t queued;
	bool stopping;
	struct histogram commit_time;
	atomic_uint_fast64_t commits;
	atomic_uint_fast64_t operations;
	atomic_uint_fast64_t failures;
};

/* One group of ops on its way to disk. */
struct group {
	struct op *ops[WRITER_GROUP_OPS];
	size_t count;
	size_t events;
};

static void post(struct writer *writer, struct group *group)
{
	for (size_t i = 0; i < group->count; i++) {
		if (group->ops[i]->rc != 0) {
			atomic_fetch_add(&writer->failures, 1);
		}
		atomic_fetch_add(&writer->operations, 1);
		op_forget_events(
			group->ops[i]); /* there may be more of them than the loop has time for */
		loop_post(writer->loop, &group->ops[i]->task, op_finish, group->ops[i]);
	}
}

/* Waits a while for work, unless there is some of the writer's own: then the group may be empty. */
static void take(struct writer *writer, struct group *group)
{
	bool busy = room_is_sparse(&writer->room);
	struct list *node;

	group->count = group->events = 0;
	(void)pthread_mutex_lock(&writer->lock);
	while (!busy && list_empty(&writer->queue) && !writer->stopping) {
		struct timespec until;

		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += ROOM_PROBE_MS / 1000;
		if (pthread_cond_timedwait(&writer->wake, &writer->lock, &until) != 0) {
			break;
		}
	}
	while (group->count < WRITER_GROUP_OPS && group->events < WRITER_GROUP_EVENTS &&
	       (node = list_pop(&writer->queue)) != NULL) {
		struct op *op = list_entry(node, struct op, node);

		group->ops[group->count++] = op;
		group->events += op->event_count;
		writer->queued--;
	}
	(void)pthread_mutex_unlock(&writer->lock);
}

static bool is_final(struct writer *writer)
{
	bool final;

	(void)pthread_mutex_lock(&writer->lock);
	final = writer->stopping && list_empty(&writer->queue);
	(void)pthread_mutex_unlock(&writer->lock);
	return final;
}

/* The caller's own fault: says nothing about the transaction. */
static bool is_refusal(int rc)
{
	return rc == -(int)ERR_NOT_FOUND || rc == -(int)ERR_WRONG_STATE ||
	       rc == -(int)ERR_CONFLICT || rc == -(int)ERR_INTERNAL || rc == -(int)ERR_TOO_LARGE;
}

static void fail_all(struct group *group, int rc, const struct err *err)
{
	for (size_t i = 0; i < group->count; i++) {
		op_result(group->ops[i], rc, err);
	}
}

/* Runs every op that may run. A failure that is no op's own sinks the group. */
static int run_ops(struct writer *writer, struct group *group, struct err *reterr)
{
	bool full = atomic_load(&writer->room.full);

	for (size_t i = 0; i < group->count; i++) {
		struct op *op = group->ops[i];
		int rc;

		if (full && !op->urgent) {
			rc = err_set(reterr, ERR_DISK_FULL, "no space for new data");
		} else {
			rc = op_run(&writer->runner, op, reterr);
			op->posted = writer->runner.posted;
			if (rc != 0 &&
			    (!is_refusal(rc) || sqlite3_get_autocommit(writer->db) != 0)) {
				return rc;
			}
		}
		op_result(op, rc, reterr);
	}
	return 0;
}

static void roll_back(struct writer *writer)
{
	if (sqlite3_get_autocommit(writer->db) == 0) {
		(void)db_exec(writer->db, "ROLLBACK", NULL);
	}
}

static void mark(struct writer *writer)
{
	if (writer->runner.last_seq > writer->marked) {
		writer->marked = writer->runner.last_seq;
		directory_mark(writer->directory, writer->marked);
	}
}

static void tell_lost(void *arg)
{
	struct writer *writer = arg;

	if (writer->on_lost != NULL) {
		writer->on_lost(writer->on_lost_arg, &writer->why);
	}
}

static int lose(struct writer *writer, const struct err *why)
{
	if (!writer->lost) {
		log_line(LOG_ERROR, "the database is not ours alone; narrowd stops",
			 LOG_TEXT("detail", why->message));
		writer->why = *why;
		writer->lost = true;
		/* What is at the paths now may be another database's. */
		(void)sqlite3_db_config(writer->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
					why->code == ERR_STORAGE, NULL);
		loop_post(writer->loop, &writer->alarm, tell_lost, writer);
	}
	return -(int)why->code;
}

/*
 * Begins the next transaction. That is done right behind each commit, so that others who want to
 * write are told that the database is locked; who came in between is noticed here.
 */
static int hold(struct writer *writer, struct err *reterr)
{
	int rc;

	if (writer->lost) {
		*reterr = writer->why;
		return -(int)reterr->code;
	}
	if (sqlite3_get_autocommit(writer->db) == 0) {
		return 0;
	}
	rc = db_run(writer->begin, reterr);
	if (rc == 0) {
		rc = alone_check_data(&writer->alone, reterr);
	}
	if (rc == -(int)ERR_BUSY) {
		(void)lose(writer, reterr);
	}
	if (rc != 0) {
		roll_back(writer);
	}
	return rc;
}

static void look_at_files(struct writer *writer)
{
	struct err err ERR_UNCLEARED;

	if (clock_mono_ms() >= writer->look_at_ms) {
		writer->look_at_ms = clock_mono_ms() + ROOM_PROBE_MS;
		if (hold(writer, &err) == 0 && alone_check_files(&writer->alone, &err) != 0) {
			(void)lose(writer, &err);
		}
	}
}

static void note_commit(struct writer *writer, double seconds)
{
	(void)pthread_mutex_lock(&writer->lock);
	histogram_add(&writer->commit_time, seconds);
	(void)pthread_mutex_unlock(&writer->lock);
}

static int commit(struct writer *writer, struct err *reterr)
{
	uint64_t since = uv_hrtime();
	int rc = db_run(writer->commit, reterr);
	int primary = sqlite3_errcode(writer->db) & 0xFF;

	if (rc == 0) {
		note_commit(writer, (double)(uv_hrtime() - since) / 1e9);
		atomic_fetch_add(&writer->commits, 1);
		mark(writer);
		room_count(&writer->room);
		return 0;
	}
	if (primary == SQLITE_IOERR) {
		log_line(LOG_ERROR,
			 "the disk failed in a commit; a restart will find out what it kept",
			 LOG_TEXT("detail", reterr->message));
		_exit(err_exit_code(ERR_STORAGE));
	}
	if (primary != SQLITE_FULL) {
		rc = err_set(reterr, ERR_COMMIT_UNKNOWN, "it is not known whether this was stored");
	}
	return rc;
}

static int attempt(struct writer *writer, struct group *group, struct err *reterr)
{
	int rc = hold(writer, reterr);

	writer->runner.last_seq = 0;
	if (rc == 0) {
		rc = run_ops(writer, group, reterr);
	}
	if (rc == 0) {
		rc = commit(writer, reterr);
	}
	if (rc != 0) {
		roll_back(writer);
	}
	return rc;
}

/* When the disk turns out to be full, what is urgent gets a second chance with the reserve. */
static void run_group(struct writer *writer, struct group *group)
{
	struct err err ERR_UNCLEARED;
	int rc;

	err_init(&err);
	rc = attempt(writer, group, &err);
	if (rc == -(int)ERR_DISK_FULL && !atomic_load(&writer->room.full)) {
		room_enter_full(&writer->room, err.message);
		rc = attempt(writer, group, &err);
	}
	if (rc != 0) {
		fail_all(group, rc, &err);
	}
	(void)hold(writer, &err); /* the next group hears of a failure */
	post(writer, group);
}

/* A shorter file is one only after a checkpoint, which wants that no transaction is open. */
static void give_back(struct writer *writer)
{
	struct err err;
	int rc;

	err_init(&err);
	rc = hold(writer, &err);
	if (rc == 0) {
		rc = room_give_back(&writer->room, &err);
	}
	if (rc == 0) {
		rc = commit(writer, &err);
	}
	if (rc != 0) {
		roll_back(writer);
		room_rest(&writer->room);
	} else if (!room_is_sparse(&writer->room)) {
		(void)sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
						NULL);
	}
	(void)hold(writer, &err);
}

static void work(struct thread *thread)
{
	struct writer *writer = thread->arg;
	struct group group;

	while (!is_final(writer)) {
		take(writer, &group);
		if (group.count > 0) {
			run_group(writer, &group);
		} else if (room_is_sparse(&writer->room)) {
			give_back(writer);
		}
		look_at_files(writer);
		room_probe(&writer->room);
	}
	roll_back(writer);
	(void)sqlite3_wal_checkpoint_v2(writer->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

/*
 * SQLite makes a table of its own for each CHECK (... IN ...) each time, a quarter of what a write costs. What is
 * written is a constant of project.c or a name of ours; the look at the whole file before the first write, `narrowd
 * check` and the simulation have the CHECKs on.
 */
static const char unchecked[] = "PRAGMA ignore_check_constraints = ON";

static int prepare(struct writer *writer, int64_t max_bytes, struct err *reterr)
{
	int rc = db_exec(writer->db, unchecked, reterr);

	if (rc == 0) {
		rc = op_runner_init(&writer->runner, writer->db, reterr);
	}
	if (rc == 0) {
		rc = db_prepare(writer->db, "BEGIN IMMEDIATE", &writer->begin, reterr);
	}
	if (rc == 0) {
		rc = db_prepare(writer->db, "COMMIT", &writer->commit, reterr);
	}
	if (rc == 0) {
		(void)sqlite3_busy_timeout(writer->db, STRANGER_MS);
		rc = db_run(writer->begin, reterr);
	}
	if (rc == 0) {
		rc = alone_init(&writer->alone, writer->db, writer->directory, reterr);
	}
	if (rc == 0) {
		rc = room_init(&writer->room, writer->db, writer->directory, max_bytes, reterr);
	}
	return rc;
}

static void init_wait(struct writer *writer)
{
	pthread_condattr_t monotonic;

	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&writer->lock, NULL);
	(void)pthread_cond_init(&writer->wake, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
}

struct writer *writer_create(struct loop *loop, sqlite3 *db, const struct directory *directory,
			     int64_t max_bytes, struct err *reterr)
{
	struct writer *writer = mem_new(1, sizeof(*writer));

	writer->loop = loop;
	writer->db = db;
	writer->directory = directory;
	list_init(&writer->queue);
	news_init(&writer->news, loop);
	init_wait(writer);
	if (prepare(writer, max_bytes, reterr) != 0) {
		goto fail;
	}
	if (thread_start(&writer->thread, "store-writer", loop, work, writer, reterr) != 0) {
		goto fail;
	}
	writer->started = true;
	return writer;
fail:
	writer_destroy(writer);
	return NULL;
}

void writer_push(struct writer *writer, struct op *op)
{
	struct err err ERR_UNCLEARED;

	op->news = &writer->news;
	if (writer->stopping) {
		(void)err_set(&err, ERR_DRAINING, "the store is closing");
		op_result(op, -(int)ERR_DRAINING, &err);
		loop_defer(writer->loop, &op->task, op_finish, op);
		return;
	}
	(void)pthread_mutex_lock(&writer->lock);
	list_append(&writer->queue, &op->node);
	writer->queued++;
	(void)pthread_cond_signal(&writer->wake);
	(void)pthread_mutex_unlock(&writer->lock);
}

struct news *writer_news(struct writer *writer)
{
	return &writer->news;
}

void writer_on_lost(struct writer *writer, void (*fn)(void *arg, const struct err *why), void *arg)
{
	writer->on_lost = fn;
	writer->on_lost_arg = arg;
}

bool writer_writable(const struct writer *writer)
{
	return !atomic_load(&writer->room.full);
}

void writer_stats(struct writer *writer, struct store_stats *ret)
{
	ret->commits = atomic_load(&writer->commits);
	ret->operations = atomic_load(&writer->operations);
	ret->failures = atomic_load(&writer->failures);
	ret->used_bytes = atomic_load(&writer->room.used);
	ret->file_bytes = atomic_load(&writer->room.whole);
	(void)pthread_mutex_lock(&writer->lock);
	ret->queued = writer->queued;
	ret->commit_time = writer->commit_time;
	(void)pthread_mutex_unlock(&writer->lock);
}

static void tell_to_stop(struct writer *writer)
{
	(void)pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	(void)pthread_cond_signal(&writer->wake);
	(void)pthread_mutex_unlock(&writer->lock);
}

void writer_stop(struct writer *writer, loop_fn done, void *arg)
{
	thread_on_end(&writer->thread, done, arg);
	tell_to_stop(writer);
}

void writer_destroy(struct writer *writer)
{
	if (writer == NULL) {
		return;
	}
	if (writer->started) {
		tell_to_stop(writer);
		thread_join(&writer->thread);
	}
	op_runner_finish(&writer->runner);
	alone_finish(&writer->alone);
	room_finish(&writer->room);
	(void)sqlite3_finalize(writer->begin);
	(void)sqlite3_finalize(writer->commit);
	(void)sqlite3_close(writer->db);
	(void)pthread_cond_destroy(&writer->wake);
	(void)pthread_mutex_destroy(&writer->lock);
	free(writer);
}
