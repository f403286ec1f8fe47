/*
 * The outbox: which deliveries an event makes, and what becomes of them, as SQL.
 *
 * Runs on the writer's connection inside its transaction, so that an event and what is to be told of
 * it are stored together or not at all. Functions return 0 or a negative err_code and fill reterr;
 * after a failure the caller rolls back. Writer thread.
 */
#ifndef NARROWD_STORE_OUTBOX_H
#define NARROWD_STORE_OUTBOX_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/project.h"
#include "store/store.h"

enum outbox_statement {
	OUTBOX_PUT,
	OUTBOX_SUBSCRIBE,
	OUTBOX_DROP,
	OUTBOX_ENABLE,
	OUTBOX_DISABLE,
	OUTBOX_BURY,
	OUTBOX_WANTED,
	OUTBOX_POST,
	OUTBOX_END,
	OUTBOX_STATE,
	OUTBOX_AGAIN,
	OUTBOX_HOLD,
	OUTBOX_NEXT,
	OUTBOX_STATEMENTS_,
};

enum { OUTBOX_TEXTS = 4 };

/* The connection's statements. */
struct outbox {
	sqlite3 *db; /* borrowed */
	sqlite3_stmt *statements[OUTBOX_STATEMENTS_];
};

/* On failure there is nothing to finish. */
int outbox_init(struct outbox *outbox, sqlite3 *db, struct err *reterr);
void outbox_finish(struct outbox *outbox);

/* `texts` are its id, document, secret and owner. ERR_CONFLICT when there are LIMIT_WEBHOOKS already. */
int outbox_put(struct outbox *outbox, char *const texts[OUTBOX_TEXTS], struct err *reterr);
/* These two: ERR_NOT_FOUND. */
int outbox_drop(struct outbox *outbox, const char *id, struct err *reterr);
int outbox_enable(struct outbox *outbox, const char *id, struct err *reterr);
/* Adds a delivery for everyone who wants to hear of this event, which the log has as `seq`. Sets
 * *ret_posted when there was somebody. */
int outbox_post(struct outbox *outbox, const struct project_event *event, int64_t seq,
		bool *ret_posted, struct err *reterr);
/* As store_delivery_end() and store_delivery_replay(). */
int outbox_end(struct outbox *outbox, const struct store_attempt *attempt, struct err *reterr);
int outbox_replay(struct outbox *outbox, const char *webhook, int64_t n, int64_t at_ms,
		  struct err *reterr);

#endif
