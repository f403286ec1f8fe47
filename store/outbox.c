/* Puts deliveries in line, ends them, and sends them back into it, as SQL. */
#include "store/outbox.h"

#include "base/limits.h"
#include "store/db.h"

/* Without statistics SQLite takes a webhook for one with few deliveries, and reads all of them. */
#define QUEUE " INDEXED BY delivery_queue "
/* The job of delivery ?2, and what is pending for it. */
#define ITS_JOB   "(SELECT job FROM delivery WHERE webhook = ?1 AND event = ?2)"
#define ITS_QUEUE "webhook = ?1 AND state = 'pending' AND job = " ITS_JOB
#define WANTED_LABEL                                                                               \
	"SELECT 1 FROM job, json_each(job.labels) AS label WHERE job.id = ?1"                      \
	" AND label.key = wanted.key AND label.value = wanted.value"

/* Parameters are the arguments of the functions below, in their order. */
/* clang-format off */
static const char *const statements[OUTBOX_STATEMENTS_] = {
	[OUTBOX_PUT] =
		"INSERT INTO webhook (id, document, secret, owner)"
		" SELECT ?1, json(?2), narrowd_seal(?3, ?1), coalesce(?4, '" STORE_LOCAL "')"
		" WHERE (SELECT count(*) FROM webhook) < ?5",
	[OUTBOX_SUBSCRIBE] =
		"INSERT INTO subscription (type, webhook)"
		" SELECT value, ?1 FROM json_each(?2, '$.events')",
	[OUTBOX_DROP] = "DELETE FROM webhook WHERE id = ?1",
	[OUTBOX_ENABLE] = "UPDATE webhook SET disabled = NULL WHERE id = ?1",
	[OUTBOX_DISABLE] = "UPDATE webhook SET disabled = ?2 WHERE id = ?1",
	[OUTBOX_BURY] =
		"UPDATE delivery" QUEUE "SET state = 'dead', due_at = NULL, error = ?2"
		" WHERE webhook = ?1 AND state = 'pending'",
	/* Nearly no event is wanted by anybody: asked before, since OUTBOX_POST costs more than the
	 * rest of the event. */
	[OUTBOX_WANTED] = "SELECT EXISTS (SELECT 1 FROM subscription WHERE type = ?1)"
			  " OR ?1 = 'state_changed'",
	/* A change of state has a second name, which sorts first: who wants both hears of it once,
	 * under that name. */
	[OUTBOX_POST] =
		"INSERT INTO delivery (webhook, event, job, type, queued_at, due_at)"
		" SELECT webhook.id, ?2, ?1, min(subscription.type), ?4, CASE WHEN NOT EXISTS"
		" (SELECT 1 FROM delivery AS other" QUEUE "WHERE other.webhook = webhook.id"
		" AND other.job = ?1 AND other.state = 'pending') THEN ?4 END"
		" FROM subscription JOIN webhook ON webhook.id = subscription.webhook"
		" WHERE subscription.type IN"
		" (?3, CASE ?3 WHEN 'state_changed' THEN 'job.' || (?5 ->> 'state') END)"
		" AND disabled IS NULL AND coalesce(document ->> 'job', ?1) = ?1"
		" AND owner = (SELECT owner FROM submission WHERE id = ?1)"
		" AND NOT EXISTS (SELECT 1 FROM json_each(document, '$.labels') AS wanted"
		" WHERE NOT EXISTS (" WANTED_LABEL ")) GROUP BY webhook.id",
	/* One that was given up meanwhile may still turn out to have arrived. An older one that came
	 * back meanwhile goes first. */
	[OUTBOX_END] =
		"UPDATE delivery SET state = ?3, attempts = attempts + 1, attempted_at = ?4,"
		" status = nullif(?6, 0), error = ?7, due_at = CASE WHEN ?3 = 'pending'"
		" AND NOT EXISTS (SELECT 1 FROM delivery AS older" QUEUE "WHERE older.webhook = ?1"
		" AND older.job = delivery.job AND older.state = 'pending' AND older.event < ?2)"
		" THEN ?5 END"
		" WHERE webhook = ?1 AND event = ?2 AND (state = 'pending' OR ?3 = 'delivered')",
	[OUTBOX_STATE] =
		"SELECT state = 'dead', disabled IS NULL FROM delivery"
		" JOIN webhook ON id = webhook WHERE webhook = ?1 AND event = ?2",
	[OUTBOX_AGAIN] =
		"UPDATE delivery SET state = 'pending', attempts = 0, queued_at = ?3"
		" WHERE webhook = ?1 AND event = ?2",
	[OUTBOX_HOLD] =
		"UPDATE delivery" QUEUE "SET due_at = NULL WHERE due_at IS NOT NULL AND " ITS_QUEUE,
	[OUTBOX_NEXT] =
		"UPDATE delivery SET due_at = ?3 WHERE webhook = ?1 AND due_at IS NULL"
		" AND event = (SELECT min(event) FROM delivery" QUEUE "WHERE " ITS_QUEUE ")",
};
/* clang-format on */

int outbox_init(struct outbox *outbox, sqlite3 *db, struct err *reterr)
{
	*outbox = (struct outbox){.db = db};
	for (int i = 0; i < OUTBOX_STATEMENTS_; i++) {
		int rc = db_prepare(db, statements[i], &outbox->statements[i], reterr);

		if (rc != 0) {
			outbox_finish(outbox);
			return rc;
		}
	}
	return 0;
}

void outbox_finish(struct outbox *outbox)
{
	for (int i = 0; i < OUTBOX_STATEMENTS_; i++) {
		(void)sqlite3_finalize(outbox->statements[i]);
		outbox->statements[i] = NULL;
	}
}

int outbox_put(struct outbox *outbox, char *const texts[OUTBOX_TEXTS], struct err *reterr)
{
	sqlite3_stmt *put = outbox->statements[OUTBOX_PUT];
	sqlite3_stmt *subscribe = outbox->statements[OUTBOX_SUBSCRIBE];
	int rc;

	for (int i = 0; i < OUTBOX_TEXTS; i++) {
		db_bind_text(put, i + 1, texts[i]);
	}
	(void)sqlite3_bind_int(put, OUTBOX_TEXTS + 1, LIMIT_WEBHOOKS);
	rc = db_run(put, reterr);
	if (rc == 0 && sqlite3_changes(outbox->db) == 0) {
		return err_set(reterr, ERR_CONFLICT, "there are %d webhooks already: delete one",
			       LIMIT_WEBHOOKS);
	}
	db_bind_text(subscribe, 1, texts[0]);
	db_bind_text(subscribe, 2, texts[1]);
	return rc == 0 ? db_run(subscribe, reterr) : rc;
}

/* Runs a statement of the webhook's id, and of `text` when it has a second parameter. */
static int run_one(struct outbox *outbox, enum outbox_statement which, const char *id,
		   const char *text, struct err *reterr)
{
	sqlite3_stmt *stmt = outbox->statements[which];

	db_bind_text(stmt, 1, id);
	if (text != NULL) {
		db_bind_text(stmt, 2, text);
	}
	return db_run(stmt, reterr);
}

static int need_change(struct outbox *outbox, const char *id, struct err *reterr)
{
	return sqlite3_changes(outbox->db) > 0
		       ? 0
		       : err_set(reterr, ERR_NOT_FOUND, "there is no webhook %s", id);
}

int outbox_drop(struct outbox *outbox, const char *id, struct err *reterr)
{
	int rc = run_one(outbox, OUTBOX_DROP, id, NULL, reterr);

	return rc == 0 ? need_change(outbox, id, reterr) : rc;
}

int outbox_enable(struct outbox *outbox, const char *id, struct err *reterr)
{
	int rc = run_one(outbox, OUTBOX_ENABLE, id, NULL, reterr);

	return rc == 0 ? need_change(outbox, id, reterr) : rc;
}

/* Whether somebody may have subscribed to it. */
static int find_wanted(struct outbox *outbox, const struct project_event *event, bool *ret_wanted,
		       struct err *reterr)
{
	sqlite3_stmt *stmt = outbox->statements[OUTBOX_WANTED];
	bool row;
	int rc;

	db_bind_text(stmt, 1, logged_name(event->is->type));
	rc = db_row(stmt, &row, reterr);
	*ret_wanted = row && sqlite3_column_int(stmt, 0) != 0;
	db_reset(stmt);
	return rc;
}

int outbox_post(struct outbox *outbox, const struct project_event *event, int64_t seq,
		bool *ret_posted, struct err *reterr)
{
	sqlite3_stmt *stmt = outbox->statements[OUTBOX_POST];
	bool wanted;
	int rc = find_wanted(outbox, event, &wanted, reterr);

	if (rc != 0 || !wanted) {
		return rc;
	}
	db_bind_text(stmt, 1, event->job);
	(void)sqlite3_bind_int64(stmt, 2, seq);
	db_bind_text(stmt, 3, logged_name(event->is->type));
	(void)sqlite3_bind_int64(stmt, 4, event->is->at_ms);
	db_bind_text(stmt, 5, event->is->data);
	rc = db_run(stmt, reterr);
	*ret_posted = *ret_posted || (rc == 0 && sqlite3_changes(outbox->db) > 0);
	return rc;
}

/* Statements whose first parameters are webhook and event; the third, where there is one, a time. */
static int run_delivery(struct outbox *outbox, enum outbox_statement which, const char *webhook,
			int64_t n, int64_t at_ms, struct err *reterr)
{
	sqlite3_stmt *stmt = outbox->statements[which];

	db_bind_text(stmt, 1, webhook);
	(void)sqlite3_bind_int64(stmt, 2, n);
	if (sqlite3_bind_parameter_count(stmt) >= 3) {
		(void)sqlite3_bind_int64(stmt, 3, at_ms);
	}
	return db_run(stmt, reterr);
}

/* The receiver wants no more: whatever waits for it would have to be sent by hand. */
static int disable(struct outbox *outbox, const struct store_attempt *attempt, struct err *reterr)
{
	int rc = run_one(outbox, OUTBOX_DISABLE, attempt->webhook, attempt->error, reterr);

	return rc == 0 ? run_one(outbox, OUTBOX_BURY, attempt->webhook, attempt->error, reterr)
		       : rc;
}

int outbox_end(struct outbox *outbox, const struct store_attempt *attempt, struct err *reterr)
{
	static const char *const states[] = {
		[STORE_DELIVERED] = "delivered",
		[STORE_RETRY] = "pending",
		[STORE_DEAD] = "dead",
		[STORE_GONE] = "dead",
	};
	sqlite3_stmt *stmt = outbox->statements[OUTBOX_END];
	int rc;

	db_bind_text(stmt, 1, attempt->webhook);
	(void)sqlite3_bind_int64(stmt, 2, attempt->n);
	db_bind_text(stmt, 3, states[attempt->verdict]);
	(void)sqlite3_bind_int64(stmt, 4, attempt->at_ms);
	(void)sqlite3_bind_int64(stmt, 5, attempt->retry_at_ms);
	(void)sqlite3_bind_int(stmt, 6, attempt->status);
	db_bind_text(stmt, 7, attempt->error);
	rc = db_run(stmt, reterr);
	if (rc == 0 && sqlite3_changes(outbox->db) == 0) {
		return err_set(reterr, ERR_NOT_FOUND, "the delivery is not pending any more");
	}
	if (rc == 0 && attempt->verdict == STORE_GONE) {
		return disable(outbox, attempt, reterr);
	}
	return rc == 0 ? run_delivery(outbox, OUTBOX_NEXT, attempt->webhook, attempt->n,
				      attempt->at_ms, reterr)
		       : rc;
}

static int check_replay(struct outbox *outbox, const char *webhook, int64_t n, struct err *reterr)
{
	sqlite3_stmt *stmt = outbox->statements[OUTBOX_STATE];
	int rc = 0, step;

	db_bind_text(stmt, 1, webhook);
	(void)sqlite3_bind_int64(stmt, 2, n);
	step = sqlite3_step(stmt);
	if (step == SQLITE_DONE) {
		rc = err_set(reterr, ERR_NOT_FOUND, "%s has no delivery %lld", webhook,
			     (long long)n);
	} else if (step != SQLITE_ROW) {
		rc = db_error(outbox->db, "looking up a delivery", reterr);
	} else if (sqlite3_column_int(stmt, 0) == 0) {
		rc = err_set(reterr, ERR_WRONG_STATE,
			     "only a delivery that was given up can go out again");
	} else if (sqlite3_column_int(stmt, 1) == 0) {
		rc = err_set(reterr, ERR_WRONG_STATE,
			     "the webhook is disabled: a test that goes well enables it again");
	}
	db_reset(stmt);
	return rc;
}

int outbox_replay(struct outbox *outbox, const char *webhook, int64_t n, int64_t at_ms,
		  struct err *reterr)
{
	static const enum outbox_statement steps[] = {OUTBOX_AGAIN, OUTBOX_HOLD, OUTBOX_NEXT};
	int rc = check_replay(outbox, webhook, n, reterr);

	for (size_t i = 0; rc == 0 && i < sizeof(steps) / sizeof(steps[0]); i++) {
		rc = run_delivery(outbox, steps[i], webhook, n, at_ms, reterr);
	}
	return rc;
}
