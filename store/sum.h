/*
 * Checksums of what is never changed again: events and submissions.
 *
 * A database page has none, so that a byte that flips in a text stays a text, and is answered. Each
 * row carries the sum of its other columns, or null when somebody changed it on purpose, and whoever
 * reads the row through these SQL functions compares it:
 *
 *	narrowd_sum(value, ...)             the sum
 *	narrowd_checked(sum, name, value, ...)  the last value; an error that names the row when the sum is
 *	                                    another one than that of the values
 */
#ifndef NARROWD_STORE_SUM_H
#define NARROWD_STORE_SUM_H

#include <sqlite3.h>

#include "base/err.h"

/* The columns of an event that its sum is of; `narrowd_checked` gives `data`. Of table `t`. */
#define SUM_OF_EVENT "job, n, type, at_ms, trial, data"
#define SUM_EVENT(t)                                                                               \
	"narrowd_checked(" t ".sum, 'event ' || " t ".n || ' of ' || " t ".job, " t ".job, " t     \
	".n, " t ".type, " t ".at_ms, " t ".trial, " t ".data)"
/* Likewise of a submission, whose columns stand in a query with `job`; gives `spec`. */
#define SUM_OF_SUBMISSION        "id, capability, head, evaluator, matched, spec"
#define SUM_VALUES_OF_SUBMISSION "submission." SUM_OF_SUBMISSION
#define SUM_SUBMISSION                                                                             \
	"narrowd_checked(submission.sum, 'the submission of ' || "                                 \
	"submission.id, " SUM_VALUES_OF_SUBMISSION ")"

int sum_register(sqlite3 *db, struct err *reterr);

#endif
