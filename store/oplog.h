/*
 * The log's operations: appended by one daemon, read by all of them. Fails as shared.h says.
 */
#ifndef NARROWD_STORE_OPLOG_H
#define NARROWD_STORE_OPLOG_H

#include "base/buf.h"
#include "store/op.h"
#include "store/shared.h"

enum { OPLOG_READ_OPS = 128 };

/* The ops as they are appended, for oplog_append(); nothing is lost when they are destroyed. */
struct oplog_batch {
	struct buf *payloads;
	struct op *const *ops; /* borrowed */
	size_t count;
	size_t bytes;
	bool sent;          /* by oplog_send(), and its answer was not waited for yet */
	bool in_doubt;      /* was sent, and nothing has said yet whether it stands in the log */
	bool appended;      /* it stands there, wherever it has to be flushed */
	int64_t told_at_ms; /* when it was sent last: PostgreSQL has seen this daemon then, or later */
};

/* Of as many of the ops as go together well, one at least. ERR_CONFIG, ERR_TOO_LARGE: of the first. */
int oplog_batch_init(struct oplog_batch *batch, struct op *const *ops, size_t count,
		     struct err *reterr);
void oplog_batch_finish(struct oplog_batch *batch);
/*
 * Sends them, for oplog_append() to wait for: until then nothing else may be asked of the log. What fails here that one
 * does again.
 */
void oplog_send(struct shared *shared, struct oplog_batch *batch);
/* Appends them; *ret_last is where the last of them stands then. Calling it again after ERR_STORAGE does not append
 * them twice, and after 0 does nothing. */
int oplog_append(struct shared *shared, struct oplog_batch *batch, struct replica_place *ret_last,
		 struct err *reterr);
/* Where the op stands that is so many before the last one of the same batch. */
struct replica_place oplog_place_before(const struct replica_place *last, size_t count);
/*
 * Those that stand behind the replica's place and before `end`, 0: up to the newest; at most OPLOG_READ_OPS. The caller
 * destroys them. *ret_last is that of the last one.
 */
int oplog_read(struct shared *shared, int64_t end, struct op **ret_ops, size_t *ret_count,
	       struct replica_place *ret_last, struct err *reterr);

#endif
