/*
 * The schedule of a delivery: how long to wait after each attempt that failed, and when to give up.
 * Pure. Any thread.
 */
#ifndef NARROWD_COURIER_SCHEDULE_H
#define NARROWD_COURIER_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"

enum { SCHEDULE_WAITS_MAX = 32, SCHEDULE_WAIT_MAX_S = 7 * 24 * 3600 };

struct schedule {
	int64_t waits_s[SCHEDULE_WAITS_MAX];
	size_t count; /* one attempt more than waits */
};

/* `texts` is a NULL-terminated list of whole seconds. ERR_CONFIG for anything else and for none. */
int schedule_read(const char *const *texts, struct schedule *ret, struct err *reterr);

/*
 * How long to wait after `failures` failed attempts, in ms, or -1 to give up: the schedule's wait and
 * up to a tenth more, or what the receiver asked for (retry_after_ms, -1 for nothing), up to a day,
 * when that is longer. What has been in the outbox for longer (age_ms) than the schedule can take,
 * because it waited behind another one, is given up after one attempt.
 */
int64_t schedule_wait_ms(const struct schedule *schedule, int64_t failures, int64_t age_ms,
			 int64_t retry_after_ms, struct rng rng);

#endif
