/* How a moment is written. */
#include "base/given_clock.h"

#include <ctype.h>
#include <stdbool.h>
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

/* Just so many digits, of at most this value. */
static bool read_number(const char **at, int digits, int max, int *ret)
{
	*ret = 0;
	for (; digits > 0; digits--, (*at)++) {
		if (!isdigit((unsigned char)**at)) {
			return false;
		}
		*ret = *ret * 10 + (**at - '0');
	}
	return *ret <= max;
}

/* One of these letters. */
static bool read_letter(const char **at, const char *letters)
{
	if (**at == '\0' || strchr(letters, **at) == NULL) {
		return false;
	}
	(*at)++;
	return true;
}

static int64_t read_milliseconds(const char **at)
{
	int64_t ms = 0;

	if (**at == '.' && isdigit((unsigned char)(*at)[1])) {
		(*at)++;
		for (int64_t scale = 100; isdigit((unsigned char)**at); (*at)++, scale /= 10) {
			ms += (**at - '0') * scale;
		}
	}
	return ms;
}

/* How far the time is ahead of UTC: "Z", "+02:00". */
static bool read_offset(const char **at, int64_t *ret_s)
{
	int64_t sign = **at == '-' ? -1 : 1;
	int hours = 0, minutes = 0;
	bool fine =
		read_letter(at, "Zz") || (read_letter(at, "+-") && read_number(at, 2, 23, &hours) &&
					  read_letter(at, ":") && read_number(at, 2, 59, &minutes));

	*ret_s = sign * (hours * 3600 + minutes * 60);
	return fine;
}

int64_t clock_parse(const char *text)
{
	static const struct {
		int digits, max;
		const char *after; /* or NULL */
	} fields[] = {{4, 9999, "-"}, {2, 12, "-"}, {2, 31, "Tt"},
		      {2, 23, ":"},   {2, 59, ":"}, {2, 60, NULL}};
	int numbers[6];
	struct tm day = {0};
	int64_t seconds, ms, offset_s;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!read_number(&text, fields[i].digits, fields[i].max, &numbers[i]) ||
		    (fields[i].after != NULL && !read_letter(&text, fields[i].after))) {
			return CLOCK_NONE;
		}
	}
	ms = read_milliseconds(&text);
	if (!read_offset(&text, &offset_s) || *text != '\0') {
		return CLOCK_NONE;
	}
	day.tm_year = numbers[0] - 1900;
	day.tm_mon = numbers[1] - 1;
	day.tm_mday = numbers[2];
	seconds = (int64_t)timegm(&day);
	if (day.tm_mon != numbers[1] - 1 || day.tm_mday != numbers[2]) {
		return CLOCK_NONE; /* no such day */
	}
	seconds += numbers[3] * 3600 + numbers[4] * 60 + numbers[5] - offset_s;
	return seconds * 1000 + ms;
}
