/*
 * One write, from the call that asks for it to the callback that says what became of it.
 *
 * An op owns copies of all its texts. It is made on the loop thread, run by the writer inside a
 * savepoint of the group's transaction, and freed on the loop thread after its callback.
 */
#ifndef NARROWD_STORE_OP_H
#define NARROWD_STORE_OP_H

#include "store/forget.h"
#include "store/news.h"
#include "store/outbox.h"
#include "store/project.h"
#include "store/store.h"

enum op_kind {
	OP_JOB_INSERT,
	OP_APPEND,
	OP_JOB_DELETE,
	OP_EVALUATOR_PUT,
	OP_EVALUATOR_DELETE,
	OP_WEBHOOK_PUT,
	OP_WEBHOOK_DELETE,
	OP_WEBHOOK_ENABLE,
	OP_DELIVERY_END,
	OP_DELIVERY_REPLAY,
	OP_TOKEN_PUT,
	OP_TOKEN_END,
	OP_TOKEN_USED,
	OP_KEY_PUT,
	OP_FORGET,
	OP_KINDS_,
};

enum { OP_TEXTS = 7 };

struct op {
	struct list node;
	struct loop_task task;
	enum op_kind kind;
	/* Ends something or makes room: is tried even while the disk is full. */
	bool urgent;
	char *texts[OP_TEXTS]; /* the first one is the id */
	int64_t bytes;         /* of a queue that is bounded, about */
	int64_t version;       /* OP_APPEND: the job's newest event before these */
	struct log_event *events;
	size_t event_count;
	struct store_key *key;        /* or NULL */
	struct store_attempt attempt; /* OP_DELIVERY_*; its texts are the op's */
	struct news *news;
	bool foreign; /* another daemon's */
	bool posted;  /* there is something new to deliver */
	store_done_fn done;
	void *arg;
	int rc;
	char *message; /* when rc != 0 */
};

/* Copies what is given; `texts` has OP_TEXTS members. */
struct op *op_create(enum op_kind kind, const char *const *texts, const struct log_event *events,
		     size_t count, const struct store_key *key, store_done_fn done, void *arg);
/* Of a job; takes over the events, of which none lacks data. */
struct op *op_create_insert(const struct store_job *job, struct log_event *events, size_t count,
			    const struct store_key *key, store_done_fn done, void *arg);
/* What was run needs them no more. Any thread. */
void op_forget_events(struct op *op);
void op_destroy(struct op *op);
/* Sets what the callback will be told. `err` is looked at when rc != 0 only. */
void op_result(struct op *op, int rc, const struct err *err);
/* Calls back and frees the op; loop thread. */
void op_finish(void *arg);

enum op_statement {
	OP_SAVE,
	OP_RELEASE,
	OP_ROLL_BACK,
	OP_SUBMIT,
	OP_FIND_JOB,
	OP_LOG,
	OP_PUT_EVALUATOR,
	OP_DROP_EVALUATOR,
	OP_KEEP_KEY,
	OP_READ_JOB,
	OP_PUT_TOKEN,
	OP_DROP_TOKENS,
	OP_END_TOKEN,
	OP_USE_TOKEN,
	OP_STATEMENTS_,
};

/* The writer's statements. */
struct op_runner {
	sqlite3 *db; /* borrowed */
	sqlite3_stmt *statements[OP_STATEMENTS_];
	struct project project;
	struct outbox outbox;
	struct forget forget;
	bool posted;      /* by the newest op */
	int64_t seq;      /* of the newest event, also of an op that fails */
	int64_t last_seq; /* of the newest event since the owner made it 0 */
};

/* On failure there is nothing to finish. */
int op_runner_init(struct op_runner *runner, sqlite3 *db, struct err *reterr);
void op_runner_finish(struct op_runner *runner);
/*
 * Runs the op inside the open transaction, all of it or nothing. ERR_NOT_FOUND, ERR_WRONG_STATE and
 * ERR_CONFLICT are the caller's fault; what else fails may have ended the transaction.
 */
int op_run(struct op_runner *runner, const struct op *op, struct err *reterr);

#endif
