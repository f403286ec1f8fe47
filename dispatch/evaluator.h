/*
 * An evaluator as the daemon knows it while it runs: the places it has, how it is, what it did.
 *
 * In memory alone: after a restart everybody is well. Loop thread.
 */
#ifndef NARROWD_DISPATCH_EVALUATOR_H
#define NARROWD_DISPATCH_EVALUATOR_H

#include <jansson.h>
#include <stddef.h>

#include "base/given_clock.h"
#include "base/list.h"
#include "dispatch/breaker.h"
#include "dispatch/turns.h"

struct evaluator {
	char *name;         /* its URL, or that of a pool; owned */
	char *shown;        /* the same, for people; owned */
	size_t used, limit; /* places */
	size_t seats;       /* jobs that may ask it */
	struct turns queue; /* of those that wait for a place */
	struct breaker breaker;
	int64_t down_wall_ms;            /* when the breaker opened last, wall clock */
	int64_t asked, answered, failed; /* attempts; `failed` without those under way */
	double answered_s;               /* that all answers took together */
};

/* `name` is copied. */
struct evaluator *evaluator_create(const char *name);
void evaluator_destroy(struct evaluator *evaluator);
/* Whether it may be asked one more question. */
bool evaluator_has_place(const struct evaluator *evaluator);
/* {"state", "consecutive_failures", "down_since", "last_failed_at", "last_error", "statistics": {...}};
 * NULL is one that nobody asked. New reference. */
json_t *evaluator_health(const struct evaluator *evaluator, const struct clock *clock);

#endif
