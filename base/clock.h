/*
 * The only clock. Deadlines and durations use the monotonic one, people see the wall one.
 */
#ifndef NARROWD_BASE_CLOCK_H
#define NARROWD_BASE_CLOCK_H

#include <stdint.h>

#include "base/given_clock.h"

/* Milliseconds since some fixed moment; counts on while the machine sleeps, never jumps. */
int64_t clock_mono_ms(void);
/* Milliseconds since the epoch, UTC; may jump. */
int64_t clock_wall_ms(void);
/* Milliseconds of CPU that the calling thread has used: what work takes whatever else the machine does. */
int64_t clock_thread_cpu_ms(void);

#endif
