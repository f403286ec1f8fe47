/* A clock that shows what a test sets it to. */
#ifndef NARROWD_TESTS_SET_CLOCK_H
#define NARROWD_TESTS_SET_CLOCK_H

#include "base/given_clock.h"

/* Since the machine's start and since the epoch, both. */
static int64_t set_clock_ms = INT64_C(1700000000000);

static inline int64_t set_clock_read(void *arg)
{
	(void)arg;
	return set_clock_ms;
}

static const struct clock set_clock = {set_clock_read, set_clock_read, NULL};

#endif
