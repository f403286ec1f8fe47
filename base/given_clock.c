/* How a moment is written. */
#include "base/given_clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
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

int64_t clock_parse(const char *text)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t scale = 100, ms = 0;

	if (rest == NULL) {
		return -1;
	}
	if (*rest == '.' && isdigit((unsigned char)rest[1])) {
		for (rest++; isdigit((unsigned char)*rest); rest++, scale /= 10) {
			ms += (*rest - '0') * scale;
		}
	}
	return strcmp(rest, "Z") == 0 ? (int64_t)timegm(&tm) * 1000 + ms : -1;
}
