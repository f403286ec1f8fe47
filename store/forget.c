/* Deletes jobs with all that is theirs, and what has become stale. */
#include "store/forget.h"

#include "store/db.h"

/* Each has an order in which nothing is equal: who runs the same operations on the same rows deletes the same. */
static const char *const statements[FORGET_STATEMENTS_] = {
	[FORGET_NOTE] = "INSERT INTO pruned (owner, seq)"
			" SELECT owner, (SELECT max(seq) FROM event WHERE job = ?1) FROM submission"
			" WHERE id = ?1"
			" ON CONFLICT (owner) DO UPDATE SET seq = max(seq, excluded.seq)",
	[FORGET_JOB] = "DELETE FROM submission WHERE id = ?1",
	[FORGET_KEYS] = "DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency"
			" WHERE at_ms < ?1 - " FORGET_KEY_MS " ORDER BY at_ms, rowid LIMIT ?2)",
	[FORGET_SURPLUS] =
		"DELETE FROM idempotency WHERE rowid IN (SELECT rowid FROM idempotency"
		" WHERE rowid <= (SELECT max(rowid) FROM idempotency) - " FORGET_KEYS_MOST
		" ORDER BY rowid LIMIT ?2)",
	[FORGET_LEASES] =
		"DELETE FROM lease WHERE id IN (SELECT id FROM lease WHERE at_ms < ?1 "
		"- " FORGET_KEY_MS " AND " FORGET_LEASE_IS_OVER " ORDER BY at_ms, id LIMIT ?2)",
	[FORGET_LEASES_DUE] = "SELECT min(at_ms) < ?1 - " FORGET_KEY_MS " FROM lease",
	[FORGET_DELIVERIES] =
		"DELETE FROM delivery WHERE (webhook, event) IN (SELECT webhook, event"
		" FROM delivery WHERE state <> 'pending' AND queued_at < ?1"
		" ORDER BY queued_at, webhook, event LIMIT ?2)",
};

int forget_init(struct forget *forget, sqlite3 *db, struct err *reterr)
{
	*forget = (struct forget){.db = db};
	for (int i = 0; i < FORGET_STATEMENTS_; i++) {
		int rc = db_prepare(db, statements[i], &forget->statements[i], reterr);

		if (rc != 0) {
			forget_finish(forget);
			return rc;
		}
	}
	return 0;
}

void forget_finish(struct forget *forget)
{
	for (int i = 0; i < FORGET_STATEMENTS_; i++) {
		(void)sqlite3_finalize(forget->statements[i]);
		forget->statements[i] = NULL;
	}
}

int forget_job(struct forget *forget, const char *job, bool note, struct err *reterr)
{
	int rc = 0;

	if (note) {
		db_bind_text(forget->statements[FORGET_NOTE], 1, job);
		rc = db_run(forget->statements[FORGET_NOTE], reterr);
	}
	if (rc == 0) {
		db_bind_text(forget->statements[FORGET_JOB], 1, job);
		rc = db_run(forget->statements[FORGET_JOB], reterr);
	}
	return rc;
}

static int before(struct forget *forget, enum forget_statement which, int64_t at, int limit,
		  struct err *reterr)
{
	sqlite3_stmt *stmt = forget->statements[which];

	(void)sqlite3_bind_int64(stmt, 1, at);
	(void)sqlite3_bind_int(stmt, 2, limit);
	return db_run(stmt, reterr);
}

int forget_keys(struct forget *forget, int64_t now, int limit, struct err *reterr)
{
	int rc = before(forget, FORGET_KEYS, now, limit, reterr);

	return rc == 0 ? before(forget, FORGET_SURPLUS, now, limit, reterr) : rc;
}

/* Asked with each lease that is given, so it has to cost little when none is that old. */
int forget_leases(struct forget *forget, int64_t now, int limit, struct err *reterr)
{
	sqlite3_stmt *due = forget->statements[FORGET_LEASES_DUE];
	bool row, none;
	int rc;

	(void)sqlite3_bind_int64(due, 1, now);
	rc = db_row(due, &row, reterr);
	none = row && sqlite3_column_int(due, 0) == 0;
	db_reset(due);
	return rc != 0 || none ? rc : before(forget, FORGET_LEASES, now, limit, reterr);
}

int forget_stale(struct forget *forget, int64_t now, int64_t deliveries_before, struct err *reterr)
{
	int rc = forget_keys(forget, now, FORGET_MANY, reterr);

	if (rc == 0) {
		rc = forget_leases(forget, now, FORGET_MANY, reterr);
	}
	return rc == 0 ? before(forget, FORGET_DELIVERIES, deliveries_before, FORGET_MANY, reterr)
		       : rc;
}
