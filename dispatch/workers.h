/*
 * Who comes for questions: workers by pool and name, when they were last heard of and how much they
 * did. In memory alone; who is still there after a restart soon shows.
 */
#ifndef NARROWD_DISPATCH_WORKERS_H
#define NARROWD_DISPATCH_WORKERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/given_clock.h"
#include "base/list.h"
#include "base/map.h"

struct workers {
	const struct clock *clock;
	struct map by_name; /* "pool/name" -> struct worker * */
	struct map crews;   /* pool -> struct crew * */
};

/* `clock` is borrowed. */
void workers_init(struct workers *workers, const struct clock *clock);
void workers_finish(struct workers *workers);
/* Until then (monotonic ms) the worker is not asked anything of this job, NULL: of any. */
void workers_leave_out(struct workers *workers, const char *pool, const char *name, const char *job,
		       int64_t until_ms);
/* It answered what cannot be used, or (`fine`) what can. Whether it is left out for so long now, as after three such answers
 * in a row. */
bool workers_misjudged(struct workers *workers, const char *pool, const char *name, bool fine,
		       int64_t probe_ms);
/* Whether somebody else came for questions of this pool within a minute and is not left out. */
bool workers_has_other(const struct workers *workers, const char *pool, const char *name);
/* Whether it may be asked something of this job now. */
bool workers_may(const struct workers *workers, const char *pool, const char *name,
		 const char *job);
/* A sign of life; makes the worker known. `owner` may be NULL for one that is. */
void workers_seen(struct workers *workers, const char *pool, const char *name, const char *owner);
/* What it takes are questions of one owner's jobs, or ("") of everybody's. */
void workers_serves(struct workers *workers, const char *pool, const char *name, const char *whose);
/* It has a question, and may be silent until then (monotonic ms). */
void workers_works(struct workers *workers, const char *pool, const char *name, int64_t until_ms);
/* Whether somebody is there who takes questions of this owner's jobs: heard of within a minute, or at work. */
bool workers_there(const struct workers *workers, const char *pool, const char *owner);
/* Every worker that is known: its pool, its owner, and for how long it was not heard of. */
void workers_each(const struct workers *workers,
		  void (*fn)(void *arg, const char *pool, const char *owner, int64_t silent_ms),
		  void *arg);
/* It answered a question. */
void workers_answered(struct workers *workers, const char *pool, const char *name);
/* [{"name", "pool", "owner", "last_seen", "answers", "trials_per_hour", "leases": []}], by pool and
 * name, of one owner or (NULL) of all.
 * `add_leases` puts what each holds into its list. New reference. */
json_t *workers_json(struct workers *workers, const char *owner,
		     void (*add_leases)(void *arg, json_t *by_name), void *arg);

#endif
