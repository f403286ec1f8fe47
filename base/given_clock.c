/* How a moment is written. */
#include "base/given_clock.h"

#include <stdio.h>
#include <time.h>

char *clock_format(int64_t wall_ms, char *text)
{
	int64_t ms = (wall_ms % 1000 + 1000) % 1000;
	time_t seconds = (time_t)((wall_ms - ms) / 1000);
	struct tm tm;
	size_t n;

	(void)gmtime_r(&seconds, &tm);
	n = strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(text + n, CLOCK_TEXT_SIZE - n, ".%03dZ", (int)ms);
	return text;
}
