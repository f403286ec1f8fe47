/*
 * Writing through a log that several daemons share: operations are appended there, and what stands there is run here, in
 * its order. While PostgreSQL is away the caller waits in these functions, and nothing fails.
 *
 * Writer thread only, but for `away`.
 */
#ifndef NARROWD_STORE_FOLLOW_H
#define NARROWD_STORE_FOLLOW_H

#include "store/apply.h"
#include "store/oplog.h"
#include "store/shared.h"

struct follow {
	struct apply *apply; /* borrowed, as `shared` is */
	struct shared *shared;
	bool (*give_up)(void *arg); /* the process ends, and has waited long enough */
	void (*on_foreign)(void *arg,
			   struct op *op); /* was run, nobody here waits for it; takes it over */
	void (*on_result)(void *arg, struct op *op); /* ... has its result; takes it over */
	/* Has the group that follow_group() is given next, or 0: that is sent while this one is run; or NULL. Once
	 * it has given some it is not asked again before these are run. */
	size_t (*more)(void *arg, struct op *const **ret_ops);
	struct oplog_batch ahead;        /* ... when it was; its ops are that group's */
	struct replica_place ahead_last; /* where that ends, once it is known to be appended */
	void *arg;
	bool standby; /* another daemon appends: this one runs what is there, and refuses what it is given */
	int64_t look_at_ms; /* the next time at who that is */
	void (*on_writer)(
		void *arg,
		const struct store_writer *writer); /* ... whenever it has looked who that is */
	void (*on_free)(
		void *arg); /* ... once, when it has taken that one's place, and is to be opened again */
	bool claimed;       /* ... which it has: the place is kept for this one, for a lease */
	bool started;       /* a start that fails is one: it does not wait */
	atomic_bool away;              /* any thread: nothing can be written for now */
	atomic_int_least64_t position; /* any thread: what was run last */
};

/* Runs what stands in the log already. Fails as shared.h says. */
int follow_init(struct follow *follow, struct err *reterr);
/*
 * Appends, catches up, runs, and hands every op with its result to on_result(), in their order and some before the others
 * are run.
 */
void follow_group(struct follow *follow, struct op *const *ops, size_t count);
/* With nothing to append: runs what others have appended meanwhile, and says that this daemon lives. */
void follow_idle(struct follow *follow);

/* Of one that only follows: waits until there is something to run, until there is something to be read from `wake`, or so
 * many ms. Whether it was told. */
bool follow_wait(struct follow *follow, int wake, int64_t ms);

#endif
