/* Appends to the shared log and runs what stands there, for as long as it takes. */
#include "store/follow.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/oplog.h"

enum {
	FIRST_PAUSE_MS = 100,
	LAST_PAUSE_MS = 2000,
	SLICE_MS = 50,
	LOOK_MS = 1000,
	/* Who is told early asks for more early, which then goes to PostgreSQL while the others of the group are run. */
	PIECE_OPS = 16,
};

/* Whether trying again may help; what is final ends the process. */
static bool may_pass(int rc)
{
	return rc == -(int)ERR_STORAGE || rc == -(int)ERR_DISK_FULL;
}

/* False when it is to be given up. */
static bool rest(const struct follow *follow, int64_t pause_ms)
{
	const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
	int64_t until_ms = clock_mono_ms() + pause_ms;

	while (clock_mono_ms() < until_ms) {
		if (follow->give_up(follow->arg)) {
			return false;
		}
		(void)nanosleep(&slice, NULL);
	}
	return !follow->give_up(follow->arg);
}

static void note_away(struct follow *follow, bool away, const struct err *err)
{
	if (away && !atomic_exchange(&follow->away, true)) {
		log_line(LOG_ERROR, "nothing can be stored for now; what is to be stored waits",
			 LOG_TEXT("detail", err->message));
	} else if (!away && atomic_exchange(&follow->away, false)) {
		log_line(LOG_INFO, "storing goes on");
	}
}

/* What was sent ahead has the connection until its answer is there. */
static int settle(struct follow *follow, struct err *reterr)
{
	return follow->ahead.sent
		       ? oplog_append(follow->shared, &follow->ahead, &follow->ahead_last, reterr)
		       : 0;
}

/* A full disk is no reason to be taken for dead: what appends says meanwhile that it lives. */
static int stay(struct follow *follow, int why, struct err *reterr)
{
	int rc = 0;

	if (why == -(int)ERR_DISK_FULL && !follow->standby) {
		rc = settle(follow, reterr);
		rc = rc == 0 ? shared_beat(follow->shared, reterr) : rc;
	}
	return may_pass(rc) ? 0 : rc;
}

/* One step, which may be taken again until it succeeds, fails for good, or is given up. */
typedef int (*step_fn)(struct follow *follow, void *what, struct err *reterr);

static int persist(struct follow *follow, step_fn step, void *what, struct err *reterr)
{
	int64_t pause_ms = FIRST_PAUSE_MS;

	for (;;) {
		int rc = step(follow, what, reterr);

		if (rc == 0) {
			note_away(follow, false, NULL);
		}
		/* Who is shut out still hears what became of what it has sent ahead, and no more. */
		if (rc == 0 || !follow->started || follow->apply->lost) {
			return rc;
		}
		if (!may_pass(rc)) {
			return apply_lose(follow->apply, reterr);
		}
		note_away(follow, true, reterr);
		if (stay(follow, rc, reterr) != 0) {
			return apply_lose(follow->apply, reterr);
		}
		if (!rest(follow, pause_ms)) {
			return rc;
		}
		room_probe(&follow->apply->room);
		pause_ms = pause_ms * 2 < LAST_PAUSE_MS ? pause_ms * 2 : LAST_PAUSE_MS;
	}
}

/* Operations that stand in the log, up to `place`. */
struct stretch {
	struct op *const *ops;
	size_t count;
	struct replica_place place;
};

static int run_logged(struct follow *follow, void *what, struct err *reterr)
{
	const struct stretch *stretch = what;
	int rc = apply_logged(follow->apply, stretch->ops, stretch->count, &stretch->place, reterr);

	atomic_store(&follow->position, follow->apply->replica->at.position);
	/* The disk itself: what this replica could not run it may not pass over. */
	if (rc == -(int)ERR_STORAGE) {
		reterr->code = ERR_COMMIT_UNKNOWN;
		return -(int)ERR_COMMIT_UNKNOWN;
	}
	return rc;
}

/* Behind the replica's place and before `end`. */
struct behind {
	int64_t end;
	struct op *ops[OPLOG_READ_OPS];
	size_t count;
	struct replica_place last;
};

static int read_behind(struct follow *follow, void *what, struct err *reterr)
{
	struct behind *behind = what;

	return oplog_read(follow->shared, behind->end, behind->ops, &behind->count, &behind->last,
			  reterr);
}

static int run_behind(struct follow *follow, struct behind *behind, struct err *reterr)
{
	struct stretch stretch = {behind->ops, behind->count, behind->last};
	int rc = behind->count > 0 ? persist(follow, run_logged, &stretch, reterr) : 0;

	for (size_t i = 0; i < behind->count; i++) {
		if (rc == 0 && follow->on_foreign != NULL) {
			follow->on_foreign(follow->arg, behind->ops[i]);
		} else {
			op_destroy(behind->ops[i]);
		}
	}
	return rc;
}

static int beat(struct follow *follow, void *what, struct err *reterr)
{
	(void)what;
	return shared_beat(follow->shared, reterr);
}

/* Runs all that stands before `end`, 0: all there is, and says meanwhile that this daemon lives: that may take long. */
static int catch_up(struct follow *follow, int64_t end, struct err *reterr)
{
	struct behind behind = {.end = end};
	int rc = 0;

	do {
		if (end > 0 && follow->apply->replica->at.position + 1 >= end) {
			break;
		}
		rc = persist(follow, read_behind, &behind, reterr);
		if (rc == 0) {
			rc = run_behind(follow, &behind, reterr);
		}
		if (rc == 0 && !follow->standby) {
			rc = persist(follow, beat, NULL, reterr);
		}
	} while (rc == 0 && behind.count == OPLOG_READ_OPS);
	return rc;
}

int follow_init(struct follow *follow, struct err *reterr)
{
	int rc = catch_up(follow, 0, reterr);

	atomic_store(&follow->position, follow->apply->replica->at.position);
	follow->started = rc == 0;
	return rc;
}

struct appending {
	struct oplog_batch *batch;
	struct replica_place last;
	size_t done; /* ops that have been run and handed over */
};

static int append(struct follow *follow, void *what, struct err *reterr)
{
	struct appending *appending = what;

	if (follow->apply->lost && !appending->batch->sent && !appending->batch->appended) {
		*reterr = follow->apply->why;
		return -(int)reterr->code;
	}
	return oplog_append(follow->shared, appending->batch, &appending->last, reterr);
}

/* PostgreSQL flushes what comes next while this replica runs what it has flushed. Whether something comes next, be it sent or
 * not: what does not fit into one message goes when it is its turn. */
static bool send_ahead(struct follow *follow)
{
	struct err err ERR_UNCLEARED;
	struct op *const *ops;
	size_t count;

	/* What this daemon has to say of itself would never have the connection. */
	if (follow->more == NULL || atomic_load(&follow->apply->room.full) ||
	    !follow->shared->url_is_said) {
		return false;
	}
	count = follow->more(follow->arg, &ops);
	if (count == 0) {
		return false;
	}
	err_init(&err);
	if (oplog_batch_init(&follow->ahead, ops, count, &err) == 0 &&
	    follow->ahead.count == count) {
		oplog_send(follow->shared, &follow->ahead);
	} else {
		oplog_batch_finish(&follow->ahead);
	}
	return true;
}

static void hand_over(struct follow *follow, struct op *const *ops, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		follow->on_result(follow->arg, ops[i]);
	}
}

/* Runs what was appended, piece by piece: here nothing is flushed, so that a piece costs little more than its part. */
static int run_pieces(struct follow *follow, struct appending *appending, bool is_last,
		      struct err *reterr)
{
	const struct oplog_batch *batch = appending->batch;
	bool has_next = !is_last; /* what stays of the group itself */
	int rc = 0;

	while (rc == 0 && appending->done < batch->count) {
		size_t left = batch->count - appending->done;
		size_t count = left / PIECE_OPS < 2 ? left : PIECE_OPS;
		struct stretch piece = {batch->ops + appending->done, count,
					oplog_place_before(&appending->last, left - count)};

		has_next = has_next || send_ahead(follow);
		rc = persist(follow, run_logged, &piece, reterr);
		if (rc == 0) {
			hand_over(follow, piece.ops, count);
			appending->done += count;
		}
	}
	return rc;
}

/* What is in the log, but could not be run here, is run by the next start. */
static int run_batch(struct follow *follow, struct appending *appending, bool is_last,
		     struct err *reterr)
{
	const struct oplog_batch *batch = appending->batch;
	int rc = persist(follow, append, appending, reterr);
	/* Also when it was found there, and the place of this daemon is taken since. */
	bool appended = appending->last.position > 0;

	if (rc == 0) {
		rc = catch_up(follow, appending->last.position - (int64_t)batch->count + 1, reterr);
	}
	if (rc == 0) {
		rc = run_pieces(follow, appending, is_last, reterr);
	}
	return rc != 0 && (appended || batch->in_doubt || may_pass(rc))
		       ? err_set(reterr, ERR_COMMIT_UNKNOWN,
				 "it is not known whether this was stored")
		       : rc;
}

static void fail(struct follow *follow, struct op *const *ops, size_t count, int rc,
		 const struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		op_result(ops[i], rc, err);
	}
	hand_over(follow, ops, count);
}

/* Takes over the batch. */
static void run_and_tell(struct follow *follow, struct oplog_batch *batch,
			 const struct replica_place *known, bool is_last)
{
	struct appending appending = {.batch = batch, .last = *known};
	struct err err ERR_UNCLEARED;
	int rc;

	err_init(&err);
	rc = run_batch(follow, &appending, is_last, &err);
	if (rc != 0) {
		fail(follow, batch->ops + appending.done, batch->count - appending.done, rc, &err);
	}
	oplog_batch_finish(batch);
}

/* Returns how many ops have their result now. */
static size_t run_some(struct follow *follow, struct op *const *ops, size_t count)
{
	const struct replica_place unknown = {0};
	struct err err ERR_UNCLEARED;
	struct oplog_batch batch;
	size_t done;
	int rc;

	err_init(&err);
	rc = oplog_batch_init(&batch, ops, count, &err);
	done = batch.count;
	if (rc == 0) {
		run_and_tell(follow, &batch, &unknown, done == count);
	} else {
		fail(follow, ops, done, rc, &err);
		oplog_batch_finish(&batch);
	}
	return done;
}

/* This group was sent while the one before was run. */
static void run_ahead(struct follow *follow)
{
	struct oplog_batch batch = follow->ahead;
	struct replica_place known = follow->ahead_last;

	follow->ahead = (struct oplog_batch){0};
	follow->ahead_last = (struct replica_place){0};
	run_and_tell(follow, &batch, &known, true);
}

/* What is in the log must be run, so what a full disk has no room for does not get there. Returns how many stay. */
static size_t refuse_when_full(struct follow *follow, struct op *const *ops, size_t count,
			       struct op **ret_kept)
{
	bool full = atomic_load(&follow->apply->room.full);
	struct err err ERR_UNCLEARED;
	size_t kept = 0;

	err_init(&err);
	(void)err_set(&err, ERR_DISK_FULL, "no space for new data");
	for (size_t i = 0; i < count; i++) {
		if (full && !ops[i]->urgent) {
			fail(follow, &ops[i], 1, -(int)ERR_DISK_FULL, &err);
		} else {
			ret_kept[kept++] = ops[i];
		}
	}
	return kept;
}

static void refuse_all(struct follow *follow, struct op *const *ops, size_t count)
{
	struct err err ERR_UNCLEARED;
	int rc;

	err_init(&err);
	rc = err_set(&err, ERR_STANDBY, "another daemon writes, and this one waits");
	fail(follow, ops, count, rc, &err);
}

void follow_group(struct follow *follow, struct op *const *ops, size_t count)
{
	const struct err *why = &follow->apply->why;
	struct op **kept;

	if (follow->ahead.count > 0) {
		run_ahead(follow);
		return;
	}
	if (follow->apply->lost) {
		fail(follow, ops, count, -(int)why->code, why);
		return;
	}
	if (follow->standby) {
		refuse_all(follow, ops, count);
		follow_idle(follow);
		return;
	}
	kept = mem_new(count, sizeof(struct op *));
	count = refuse_when_full(follow, ops, count, kept);
	if (count == 0) {
		follow_idle(
			follow); /* appending says that this daemon lives, and nothing is appended */
	}
	for (size_t done = 0; done < count;) {
		done += run_some(follow, kept + done, count - done);
	}
	free(kept);
}

static int look_for_place(struct follow *follow, void *what, struct err *reterr)
{
	return shared_look(follow->shared, what, reterr);
}

/* Who appends, and whether nobody does any more. */
static void look_at_writer(struct follow *follow, struct err *reterr)
{
	bool is_free = false;

	if (persist(follow, look_for_place, &is_free, reterr) != 0) {
		return;
	}
	if (follow->on_writer != NULL) {
		follow->on_writer(follow->arg, &follow->shared->other);
	}
	/* Of several that wait one gets it; the others go on as they were. */
	if (is_free && follow->on_free != NULL &&
	    shared_join(follow->shared, follow->shared->replica, reterr) == 0) {
		follow->claimed = true;
		follow->on_free(follow->arg);
		follow->on_free = NULL;
	}
}

void follow_idle(struct follow *follow)
{
	struct err err ERR_UNCLEARED;

	err_init(&err);
	if (follow->ahead.count > 0) {
		return; /* it has the connection */
	}
	if (!follow->apply->lost && catch_up(follow, 0, &err) == 0 && follow->standby &&
	    clock_mono_ms() >= follow->look_at_ms) {
		follow->look_at_ms = clock_mono_ms() + LOOK_MS;
		look_at_writer(follow, &err);
	}
}

bool follow_wait(struct follow *follow, int wake, int64_t ms)
{
	return shared_wait(follow->shared, wake, ms);
}
