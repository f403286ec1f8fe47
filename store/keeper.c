/* Makes snapshots when they are due, on a thread of its own. */
#include "store/keeper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/backup.h"
#include "store/db.h"
#include "store/snapshot.h"
#include "store/thread.h"
#include "store/verify.h"

enum {
	LOOK_S = 1,
	AFTER_FAULT_S = 60, /* doubled with each more */
	AFTER_FAULTS_S = 3600,
	LOOK_STEPS = 100000, /* of SQLite, a millisecond or so */
};

struct keeper {
	struct keeper_options options;
	struct thread thread;
	struct shared *shared;     /* a connection of its own */
	atomic_int_least64_t last; /* the position of the newest snapshot; negative: not known */
	int64_t pause_s;           /* behind the next fault */
	bool is_damaged;           /* what is here or there; no snapshot is made any more */
	char *part;                /* the path of a copy that is being made */
	atomic_bool stopping;
	pthread_mutex_t lock; /* of `wake`, which says that it stops */
	pthread_cond_t wake;
};

static bool is_stopping(void *arg)
{
	struct keeper *keeper = arg;

	return atomic_load(&keeper->stopping);
}

static int break_off(void *arg)
{
	return is_stopping(arg) ? 1 : 0;
}

static void rest(struct keeper *keeper, int64_t seconds)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	(void)pthread_mutex_lock(&keeper->lock);
	while (!is_stopping(keeper) &&
	       pthread_cond_timedwait(&keeper->wake, &keeper->lock, &until) == 0) {
	}
	(void)pthread_mutex_unlock(&keeper->lock);
}

static int find_last(struct keeper *keeper, struct err *reterr)
{
	struct snapshot snapshot;
	bool there;
	int rc = shared_connect(keeper->shared, reterr);

	if (rc == 0) {
		rc = snapshot_find(keeper->shared, &snapshot, &there, reterr);
	}
	if (rc == 0) {
		keeper->last = snapshot.at.position;
	}
	return rc;
}

static int look(struct keeper *keeper, sqlite3 *db, bool *ret_due, struct err *reterr)
{
	const char *path = keeper->options.directory->database;
	int64_t position = 0, grown, wanted;
	struct stat status = {0};
	int rc = db_integer(db, "SELECT position FROM replica", &position, reterr);

	(void)stat(path, &status);
	wanted = (int64_t)status.st_size / KEEPER_BYTES_OF_OP;
	wanted = wanted > keeper->options.operations ? wanted : keeper->options.operations;
	if (rc == 0 && keeper->last < 0 && position >= keeper->options.operations) {
		rc = find_last(keeper, reterr);
	}
	grown = keeper->last < 0 ? 0 : position - keeper->last;
	*ret_due = rc == 0 && grown >= wanted;
	return rc;
}

/* The place is that of the copy, which is of one moment. */
static int prepare(struct keeper *keeper, struct replica_place *ret_at, struct err *reterr)
{
	bool empty;
	sqlite3 *db;
	int rc = db_open(keeper->part, DB_REBUILD, &db, reterr);

	if (rc == 0) {
		sqlite3_progress_handler(db, LOOK_STEPS, break_off, keeper);
		rc = verify_run(db, reterr);
		(void)sqlite3_close(db);
	}
	if (rc == 0) {
		rc = db_open(keeper->part, DB_COPY, &db, reterr);
	}
	if (rc == 0) {
		rc = replica_look(db, shared_name(keeper->shared), &empty, ret_at, reterr);
		rc = rc == 0 ? replica_unname(db, reterr) : rc;
		(void)sqlite3_close(db);
	}
	return rc;
}

static int hand_over(struct keeper *keeper, const struct replica_place *at, struct err *reterr)
{
	struct snapshot snapshot;
	bool behind;
	int rc = shared_connect(keeper->shared, reterr);

	/* This connection may lead to a standby that has not all of the log, or to another one. */
	if (rc == 0) {
		rc = shared_check_place(keeper->shared, at, &behind, reterr);
	}
	if (rc == 0) {
		rc = snapshot_put(keeper->shared, keeper->part, at, &snapshot, reterr);
	}
	if (rc != 0) {
		return rc;
	}
	keeper->last = at->position;
	log_line(LOG_INFO, "the log in PostgreSQL has a new snapshot, and gets shorter",
		 LOG_INT("position", at->position), LOG_INT("bytes", snapshot.bytes));
	return snapshot_shorten(keeper->shared, &snapshot, keeper->options.operations / KEEPER_TAIL,
				reterr);
}

static int make(struct keeper *keeper, sqlite3 *db, struct err *reterr)
{
	struct replica_place at;
	int rc;

	(void)unlink(keeper->part); /* of a daemon that was killed */
	/* The disk is the writer's first of all: a copy that fills it would turn clients away. */
	rc = backup_check_room(db, keeper->options.directory->database, 1, reterr);
	rc = rc == 0 ? backup_copy_unless(db, keeper->part, is_stopping, keeper, reterr) : rc;
	if (rc == 0) {
		rc = prepare(keeper, &at, reterr);
		rc = rc == 0 ? hand_over(keeper, &at, reterr) : rc;
		(void)unlink(keeper->part);
	}
	return rc;
}

/* How many seconds to rest. */
static int64_t after_success(struct keeper *keeper)
{
	keeper->pause_s = keeper->options.fault_s;
	return LOOK_S;
}

static int64_t after_fault(struct keeper *keeper, int rc, const struct err *err)
{
	int64_t pause_s = keeper->pause_s;

	keeper->is_damaged = rc == -(int)ERR_CORRUPT;
	if (keeper->is_damaged) {
		log_line(LOG_ERROR,
			 "the log in PostgreSQL is not shortened any more before this daemon is "
			 "started again",
			 LOG_TEXT("detail", err->message));
	} else if (!is_stopping(keeper)) {
		log_line(LOG_WARNING,
			 "the log in PostgreSQL could not be shortened; that is tried again",
			 LOG_TEXT("detail", err->message), LOG_INT("after_s", pause_s));
	}
	keeper->pause_s = pause_s * 2 < AFTER_FAULTS_S ? pause_s * 2 : AFTER_FAULTS_S;
	return pause_s;
}

/* Returns how many seconds to rest. */
static int64_t look_and_make(struct keeper *keeper)
{
	bool due = false;
	struct err err;
	sqlite3 *db;
	int rc = db_open(keeper->options.directory->database, DB_READER, &db, &err);

	if (rc == 0) {
		rc = look(keeper, db, &due, &err);
		rc = rc == 0 && due ? make(keeper, db, &err) : rc;
		(void)sqlite3_close(db);
	}
	return rc == 0 ? after_success(keeper) : after_fault(keeper, rc, &err);
}

static void work(struct thread *thread)
{
	struct keeper *keeper = thread->arg;

	rest(keeper, LOOK_S);
	while (!is_stopping(keeper) && !keeper->is_damaged) {
		rest(keeper, look_and_make(keeper));
	}
}

struct keeper *keeper_create(struct loop *loop, const struct keeper_options *options,
			     struct err *reterr)
{
	struct shared *shared = shared_create(options->url, 0, reterr);
	struct keeper *keeper;

	if (shared == NULL) {
		return NULL;
	}
	keeper = mem_new(1, sizeof(*keeper));
	keeper->options = *options;
	keeper->shared = shared;
	keeper->last = -1;
	keeper->options.fault_s = options->fault_s > 0 ? options->fault_s : AFTER_FAULT_S;
	keeper->pause_s = keeper->options.fault_s;
	keeper->part = mem_printf("%s.sent", options->directory->database);
	thread_init_wait(&keeper->lock, &keeper->wake);
	shared_give_up_when(shared, is_stopping, keeper);
	if (thread_start(&keeper->thread, "store-keeper", loop, work, keeper, reterr) != 0) {
		keeper->thread.work = NULL;
		keeper_destroy(keeper);
		return NULL;
	}
	return keeper;
}

void keeper_destroy(struct keeper *keeper)
{
	if (keeper == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&keeper->lock);
	atomic_store(&keeper->stopping, true);
	(void)pthread_cond_signal(&keeper->wake);
	(void)pthread_mutex_unlock(&keeper->lock);
	if (keeper->thread.work != NULL) {
		thread_join(&keeper->thread);
	}
	shared_destroy(keeper->shared);
	(void)unlink(keeper->part);
	free(keeper->part);
	(void)pthread_cond_destroy(&keeper->wake);
	(void)pthread_mutex_destroy(&keeper->lock);
	free(keeper);
}

int64_t keeper_snapshot(const struct keeper *keeper)
{
	int64_t last = keeper != NULL ? atomic_load(&keeper->last) : 0;

	return last > 0 ? last : 0;
}
