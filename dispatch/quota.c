/* Counts what owners have open and begin, and refuses what is too much. */
#include "dispatch/quota.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/plural.h"

enum { HOURS = 24, BURST_S = 5 };

static const int64_t hour_ms = INT64_C(3600) * 1000;

struct use {
	int64_t open_jobs, open_bytes;
	double submits; /* that may be made now */
	int64_t submits_at_ms;
	/* Questions in each of the latest hours; that of hour h is h % HOURS. */
	int64_t by_hour[HOURS];
	int64_t hour; /* the latest that is counted */
};

void quota_init(struct quota *quota, const struct quota_limits *limits, const struct clock *clock)
{
	quota->clock = clock;
	quota->limits = *limits;
	map_init(&quota->by_owner);
}

void quota_finish(struct quota *quota)
{
	for (size_t i = 0; i < quota->by_owner.capacity; i++) {
		if (quota->by_owner.slots[i].key != NULL) {
			free((struct use *)quota->by_owner.slots[i].value); /* NOLINT */
		}
	}
	map_finish(&quota->by_owner);
}

static struct use *use_of(struct quota *quota, const char *owner)
{
	struct use *use = (struct use *)map_get(&quota->by_owner, owner, 0); /* NOLINT */

	if (use == NULL) {
		use = mem_new(1, sizeof(*use));
		use->submits = (double)(BURST_S * quota->limits.submits_per_s);
		use->submits_at_ms = mono_of(quota->clock);
		use->hour = use->submits_at_ms / hour_ms;
		map_set(&quota->by_owner, owner, (intptr_t)use);
	}
	return use;
}

void quota_open(struct quota *quota, const char *owner, int64_t bytes)
{
	struct use *use = use_of(quota, owner);

	use->open_jobs++;
	use->open_bytes += bytes;
}

void quota_close(struct quota *quota, const char *owner, int64_t bytes)
{
	struct use *use = use_of(quota, owner);

	use->open_jobs--;
	use->open_bytes -= bytes;
}

void quota_grow(struct quota *quota, const char *owner, int64_t bytes)
{
	use_of(quota, owner)->open_bytes += bytes;
}

static void move_on(const struct quota *quota, struct use *use)
{
	int64_t hour = mono_of(quota->clock) / hour_ms;

	if (hour - use->hour >= HOURS) {
		memset(use->by_hour, 0, sizeof(use->by_hour));
		use->hour = hour;
	}
	while (use->hour < hour) {
		use->by_hour[++use->hour % HOURS] = 0;
	}
}

void quota_asked(struct quota *quota, const char *owner)
{
	struct use *use = use_of(quota, owner);

	move_on(quota, use);
	use->by_hour[use->hour % HOURS]++;
}

static int64_t asked_today(const struct quota *quota, struct use *use)
{
	int64_t sum = 0;

	move_on(quota, use);
	for (int i = 0; i < HOURS; i++) {
		sum += use->by_hour[i];
	}
	return sum;
}

/* A bucket that fills with the rate and holds five seconds of it. */
static bool take_submit(struct quota *quota, struct use *use)
{
	int64_t now = mono_of(quota->clock), rate = quota->limits.submits_per_s;
	double full = (double)(BURST_S * rate);

	if (rate == 0) {
		return true;
	}
	use->submits += (double)((now - use->submits_at_ms) * rate) / 1000;
	use->submits = use->submits > full ? full : use->submits;
	use->submits_at_ms = now;
	if (use->submits < 1) {
		return false;
	}
	use->submits -= 1;
	return true;
}

static bool is_over(int64_t value, int64_t limit)
{
	return limit > 0 && value > limit;
}

static int check_bytes(const struct quota *quota, const struct use *use, int64_t bytes,
		       struct err *reterr)
{
	int64_t most = quota->limits.open_bytes;

	return is_over(use->open_bytes + bytes, most)
		       ? err_set(reterr, ERR_TOO_MANY,
				 "the open jobs of this owner would have %lld bytes, at most %lld: "
				 "wait for one to end",
				 (long long)(use->open_bytes + bytes), (long long)most)
		       : 0;
}

int quota_may_grow(struct quota *quota, const char *owner, int64_t bytes, struct err *reterr)
{
	return check_bytes(quota, use_of(quota, owner), bytes, reterr);
}

static int check_open(const struct quota *quota, struct use *use, int64_t bytes, struct err *reterr)
{
	const struct quota_limits *limits = &quota->limits;

	if (is_over(use->open_jobs + 1, limits->open_jobs)) {
		return err_set(
			reterr, ERR_TOO_MANY,
			"%lld job%s of this owner %s open, at most %lld: wait for one to end",
			(long long)use->open_jobs, plural_s(use->open_jobs),
			use->open_jobs == 1 ? "is" : "are", (long long)limits->open_jobs);
	}
	if (check_bytes(quota, use, bytes, reterr) != 0) {
		return -ERR_TOO_MANY;
	}
	if (is_over(asked_today(quota, use) + 1, limits->trials_per_day)) {
		return err_set(reterr, ERR_TOO_MANY,
			       "%lld question%s asked for this owner within 24 hours, at most "
			       "%lld: submit it later",
			       (long long)asked_today(quota, use),
			       asked_today(quota, use) == 1 ? " was" : "s were",
			       (long long)limits->trials_per_day);
	}
	return 0;
}

int quota_submit(struct quota *quota, const char *owner, int64_t bytes, bool dry,
		 struct err *reterr)
{
	struct use *use = use_of(quota, owner);
	int rc = dry ? 0 : check_open(quota, use, bytes, reterr);

	if (rc == 0 && !take_submit(quota, use)) {
		rc = err_set(reterr, ERR_TOO_MANY, "at most %lld submissions a second",
			     (long long)quota->limits.submits_per_s);
	}
	return rc;
}
