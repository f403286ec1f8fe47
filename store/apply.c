/* Runs operations in one transaction, commits it, and notices what must end that. */
#include "store/apply.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/db.h"

/* Nobody else may hold the database, so that this is long. */
enum { STRANGER_MS = 500 };

/* The caller's own fault: says nothing about the transaction. */
static bool is_refusal(int rc)
{
	return rc == -(int)ERR_NOT_FOUND || rc == -(int)ERR_WRONG_STATE ||
	       rc == -(int)ERR_CONFLICT || rc == -(int)ERR_IDEMPOTENCY_BUSY ||
	       rc == -(int)ERR_INTERNAL || rc == -(int)ERR_TOO_LARGE;
}

/* Runs every op that may run. A failure that is no op's own sinks the group. */
static int run_ops(struct apply *apply, struct op *const *ops, size_t count, bool logged,
		   struct err *reterr)
{
	bool full = !logged && atomic_load(&apply->room.full);

	for (size_t i = 0; i < count; i++) {
		struct op *op = ops[i];
		int rc;

		if (full && !op->urgent) {
			rc = err_set(reterr, ERR_DISK_FULL, "no space for new data");
		} else {
			rc = op_run(&apply->runner, op, reterr);
			op->posted = apply->runner.posted;
			if (rc != 0 &&
			    (!is_refusal(rc) || sqlite3_get_autocommit(apply->db) != 0)) {
				return rc;
			}
		}
		op_result(op, rc, reterr);
	}
	return 0;
}

static void roll_back(struct apply *apply)
{
	if (sqlite3_get_autocommit(apply->db) == 0) {
		(void)db_exec(apply->db, "ROLLBACK", NULL);
	}
}

/* Of a replica the log itself says how far it must reach. */
static void mark(struct apply *apply)
{
	if (apply->replica == NULL && apply->runner.last_seq > apply->marked) {
		apply->marked = apply->runner.last_seq;
		directory_mark(apply->directory, apply->marked);
	}
}

int apply_lose(struct apply *apply, const struct err *why)
{
	if (!apply->lost) {
		log_line(LOG_ERROR, "the database is not ours alone; narrowd stops",
			 LOG_TEXT("detail", why->message));
		apply->why = *why;
		apply->lost = true;
		/* What is at the paths now may be another database's. */
		(void)sqlite3_db_config(apply->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
					why->code == ERR_STORAGE, NULL);
		apply->on_lost(apply->arg);
	}
	return -(int)why->code;
}

static void note_fault(struct apply *apply, int rc)
{
	apply->alone.faulted = apply->alone.faulted || rc == -(int)ERR_STORAGE;
}

static _Noreturn void end_for_the_disk(const struct err *why)
{
	log_line(LOG_ERROR, "the disk failed; a restart will find out what it kept",
		 LOG_TEXT("detail", why->message));
	_exit(err_exit_code(ERR_STORAGE));
}

/*
 * Begins the next transaction. That is done right behind each commit, so that others who want to
 * write are told that the database is locked; who came in between is noticed here.
 */
static int hold(struct apply *apply, struct err *reterr)
{
	int rc;

	if (apply->lost) {
		*reterr = apply->why;
		return -(int)reterr->code;
	}
	if (sqlite3_get_autocommit(apply->db) == 0) {
		return 0;
	}
	rc = db_run(apply->begin, reterr);
	note_fault(apply, rc);
	if (rc == 0) {
		rc = alone_check_data(&apply->alone, reterr);
		if (rc == -(int)ERR_STORAGE) {
			end_for_the_disk(reterr);
		}
	}
	if (rc == -(int)ERR_BUSY) {
		(void)apply_lose(apply, reterr);
	}
	if (rc != 0) {
		roll_back(apply);
	}
	return rc;
}

static void look_at_files(struct apply *apply)
{
	struct err err ERR_UNCLEARED;

	if (clock_mono_ms() >= apply->look_at_ms) {
		apply->look_at_ms = clock_mono_ms() + ROOM_PROBE_MS;
		if (hold(apply, &err) == 0 && alone_check_files(&apply->alone, &err) != 0) {
			(void)apply_lose(apply, &err);
		}
	}
}

static int commit(struct apply *apply, struct err *reterr)
{
	uint64_t since = uv_hrtime();
	int rc = db_run(apply->commit, reterr);
	int primary = sqlite3_errcode(apply->db) & 0xFF;

	if (rc == 0) {
		apply->on_commit(apply->arg, (double)(uv_hrtime() - since) / 1e9);
		mark(apply);
		note_fault(apply, room_count(&apply->room) ? 0 : -(int)ERR_STORAGE);
		return 0;
	}
	if (primary == SQLITE_IOERR) {
		end_for_the_disk(reterr);
	}
	if (primary != SQLITE_FULL) {
		rc = err_set(reterr, ERR_COMMIT_UNKNOWN, "it is not known whether this was stored");
	}
	return rc;
}

static int attempt(struct apply *apply, struct op *const *ops, size_t count,
		   const struct replica_place *place, struct err *reterr)
{
	int rc = hold(apply, reterr);

	apply->runner.last_seq = 0;
	if (rc == 0) {
		rc = run_ops(apply, ops, count, place != NULL, reterr);
	}
	if (rc == 0 && place != NULL) {
		rc = replica_note(apply->replica, place, reterr);
	}
	if (rc == 0) {
		rc = commit(apply, reterr);
	}
	note_fault(apply, rc);
	if (rc != 0) {
		roll_back(apply);
	}
	return rc;
}

/* When the disk turns out to be full, what is urgent gets a second chance with the reserve. */
static int run(struct apply *apply, struct op *const *ops, size_t count,
	       const struct replica_place *place, struct err *reterr)
{
	struct err err ERR_UNCLEARED;
	int rc = attempt(apply, ops, count, place, reterr);

	if (rc == -(int)ERR_DISK_FULL && !atomic_load(&apply->room.full)) {
		room_enter_full(&apply->room, reterr->message);
		rc = attempt(apply, ops, count, place, reterr);
	}
	(void)hold(apply, &err); /* the next group hears of a failure */
	return rc;
}

void apply_group(struct apply *apply, struct op *const *ops, size_t count)
{
	struct err err ERR_UNCLEARED;
	int rc;

	err_init(&err);
	rc = run(apply, ops, count, NULL, &err);
	for (size_t i = 0; rc != 0 && i < count; i++) {
		op_result(ops[i], rc, &err);
	}
}

int apply_logged(struct apply *apply, struct op *const *ops, size_t count,
		 const struct replica_place *place, struct err *reterr)
{
	int rc = run(apply, ops, count, place, reterr);

	if (rc == 0) {
		replica_is_at(apply->replica, place);
	}
	return rc;
}

/* A shorter file is one only after a checkpoint, which wants that no transaction is open. */
void apply_give_back(struct apply *apply)
{
	struct err err;
	int rc;

	err_init(&err);
	rc = hold(apply, &err);
	if (rc == 0) {
		rc = room_give_back(&apply->room, &err);
	}
	if (rc == 0) {
		rc = commit(apply, &err);
	}
	if (rc != 0) {
		roll_back(apply);
		room_rest(&apply->room);
	} else if (!room_is_sparse(&apply->room)) {
		(void)sqlite3_wal_checkpoint_v2(apply->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
						NULL);
	}
	(void)hold(apply, &err);
}

void apply_look(struct apply *apply)
{
	look_at_files(apply);
	room_probe(&apply->room);
}

void apply_end(struct apply *apply)
{
	roll_back(apply);
	(void)sqlite3_wal_checkpoint_v2(apply->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

/*
 * SQLite makes a table of its own for each CHECK (... IN ...) each time, a quarter of what a write costs. What is
 * written is a constant of project.c or a name of ours; the look at the whole file before the first write, `narrowd
 * check` and the simulation have the CHECKs on.
 */
static const char unchecked[] = "PRAGMA ignore_check_constraints = ON";

int apply_init(struct apply *apply, sqlite3 *db, const struct directory *directory,
	       int64_t max_bytes, struct err *reterr)
{
	int rc;

	apply->db = db;
	apply->directory = directory;
	rc = db_exec(db, unchecked, reterr);
	if (rc == 0) {
		rc = op_runner_init(&apply->runner, db, reterr);
	}
	if (rc == 0) {
		rc = db_prepare(db, "BEGIN IMMEDIATE", &apply->begin, reterr);
	}
	if (rc == 0) {
		rc = db_prepare(db, "COMMIT", &apply->commit, reterr);
	}
	if (rc == 0) {
		(void)sqlite3_busy_timeout(db, STRANGER_MS);
		rc = db_run(apply->begin, reterr);
	}
	if (rc == 0) {
		rc = alone_init(&apply->alone, db, directory, reterr);
	}
	if (rc == 0) {
		rc = room_init(&apply->room, db, directory, max_bytes, reterr);
	}
	return rc;
}

void apply_finish(struct apply *apply)
{
	op_runner_finish(&apply->runner);
	alone_finish(&apply->alone);
	room_finish(&apply->room);
	(void)sqlite3_finalize(apply->begin);
	(void)sqlite3_finalize(apply->commit);
	if (apply->replica != NULL) {
		replica_finish(apply->replica);
	}
	(void)sqlite3_close(apply->db);
}
