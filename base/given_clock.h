/*
 * A clock as it is given to who must not have one: the machine's (base/clock.h), or that of a world which somebody
 * made up to see what would happen in it (tests/sim).
 */
#ifndef NARROWD_BASE_GIVEN_CLOCK_H
#define NARROWD_BASE_GIVEN_CLOCK_H

#include <stdint.h>

struct clock {
	int64_t (*mono_ms)(void *arg); /* since some fixed moment; never goes back */
	int64_t (*wall_ms)(void *arg); /* since the epoch; may jump */
	void *arg;
};

static inline int64_t mono_of(const struct clock *clock)
{
	return clock->mono_ms(clock->arg);
}

static inline int64_t wall_of(const struct clock *clock)
{
	return clock->wall_ms(clock->arg);
}

enum { CLOCK_TEXT_SIZE = 32 };

/* RFC 3339 UTC with milliseconds into `text` of CLOCK_TEXT_SIZE bytes. Returns `text`. */
char *clock_format(int64_t wall_ms, char *text);
/* Milliseconds since the epoch of a time as RFC 3339 writes it; CLOCK_NONE for another text. */
#define CLOCK_NONE INT64_MIN
int64_t clock_parse(const char *text);

#endif
