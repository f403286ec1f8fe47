/*
 * Quotas: what an owner may have open and begin, so that one of many cannot take all of the daemon.
 *
 * In memory alone: what is open is counted again at a start, what was begun before it is forgotten.
 * Loop thread.
 */
#ifndef NARROWD_DISPATCH_QUOTA_H
#define NARROWD_DISPATCH_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/given_clock.h"
#include "base/map.h"

/* 0: no limit. */
struct quota_limits {
	int64_t open_jobs;
	int64_t open_bytes;    /* of their submissions, capabilities and the scores they are told */
	int64_t submits_per_s; /* five times as many at once */
	int64_t trials_per_day; /* questions about configs */
};

struct quota {
	struct quota_limits limits;
	const struct clock *clock;
	struct map by_owner; /* -> struct use *, owned */
};

/* `clock` is borrowed. */
void quota_init(struct quota *quota, const struct quota_limits *limits, const struct clock *clock);
void quota_finish(struct quota *quota);
/* A job of the owner is open, and is no more. */
void quota_open(struct quota *quota, const char *owner, int64_t bytes);
void quota_close(struct quota *quota, const char *owner, int64_t bytes);
/* An open job of the owner has so many bytes more. */
void quota_grow(struct quota *quota, const char *owner, int64_t bytes);
/* A question about a config goes out. */
void quota_asked(struct quota *quota, const char *owner);
/* Whether the owner may submit one more job of so many bytes, which counts as a submission if so: 0 or
 * -ERR_TOO_MANY. One that is `dry` is never open. */
int quota_submit(struct quota *quota, const char *owner, int64_t bytes, bool dry,
		 struct err *reterr);
/* Whether an open job of the owner may have so many bytes more: 0 or -ERR_TOO_MANY. */
int quota_may_grow(struct quota *quota, const char *owner, int64_t bytes, struct err *reterr);

#endif
