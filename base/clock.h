/*
 * The only clock. Deadlines and durations use the monotonic one, people see the wall one.
 */
#ifndef NARROWD_BASE_CLOCK_H
#define NARROWD_BASE_CLOCK_H

#include <stdint.h>

enum { CLOCK_TEXT_SIZE = 32 };

/* Milliseconds since some fixed moment; counts on while the machine sleeps, never jumps. */
int64_t clock_mono_ms(void);
/* Milliseconds since the epoch, UTC; may jump. */
int64_t clock_wall_ms(void);
/* RFC 3339 UTC with milliseconds into `text` of CLOCK_TEXT_SIZE bytes. Returns `text`. */
char *clock_format(int64_t wall_ms, char *text);

#endif
