/*
 * Forgetting: what is deleted for good, because somebody asks for it or because it is too old.
 */
#ifndef NARROWD_STORE_FORGET_H
#define NARROWD_STORE_FORGET_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum forget_statement {
	FORGET_NOTE,
	FORGET_JOB,
	FORGET_KEYS,
	FORGET_SURPLUS,
	FORGET_LEASES,
	FORGET_LEASES_DUE,
	FORGET_DELIVERIES,
	FORGET_STATEMENTS_,
};

enum {
	/* With each new row of the kind: more than one, so that old ones cannot pile up. */
	FORGET_FEW = 4,
	FORGET_MANY = 500, /* when that is all there is to do */
};

/* The writer's statements. */
struct forget {
	sqlite3 *db; /* borrowed */
	sqlite3_stmt *statements[FORGET_STATEMENTS_];
};

/* How long idempotency keys and leases that are over are known: 48 h, as SQL. */
#define FORGET_KEY_MS "172800000"
/* The newest so many keys are known, as SQL: each has the number that follows that of the one before. */
#define FORGET_KEYS_MOST "1000000"
/* What may go: a lease that is over, a delivery that is not due. */
#define FORGET_LEASE_IS_OVER                                                                       \
	"NOT EXISTS (SELECT 1 FROM trial WHERE trial.job = lease.job"                              \
	" AND trial.number = lease.trial AND trial.state = 'leased')"

/* On failure there is nothing to finish. */
int forget_init(struct forget *forget, sqlite3 *db, struct err *reterr);
void forget_finish(struct forget *forget);

/* All of these inside the open transaction. A job with all that is kept of it; `note`: nobody has asked for
 * that, so that who misses its events is to be told. */
int forget_job(struct forget *forget, const char *job, bool note, struct err *reterr);
/* At most `limit` of what is too old at `now`, and of keys beyond the newest FORGET_KEYS_MOST. */
int forget_keys(struct forget *forget, int64_t now, int limit, struct err *reterr);
int forget_leases(struct forget *forget, int64_t now, int limit, struct err *reterr);
/* Both, and deliveries that are over and were queued before that moment. */
int forget_stale(struct forget *forget, int64_t now, int64_t deliveries_before, struct err *reterr);

#endif
