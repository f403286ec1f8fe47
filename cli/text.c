#include "cli/text.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"

enum { NUMBERS_MAX = 4096, DIGITS = 5, ROUGH_DIGITS = 3, TIME_DATE = 10, TIME_SECONDS = 19 };
enum { MINUTE_S = 60, HOUR_S = 60 * MINUTE_S, DAY_S = 24 * HOUR_S };

char *text_clean(const char *text)
{
	char *copy = mem_dup(text != NULL ? text : "-");

	for (unsigned char *at = (unsigned char *)copy; *at != '\0'; at++) {
		/* U+0080 to U+009F are control characters too. */
		if (at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) {
			at[0] = at[1] = '?';
		} else if (*at < ' ' || *at == 0x7f) {
			*at = '?';
		}
	}
	return copy;
}

char *text_member(const json_t *object, const char *key)
{
	return text_clean(json_string_value(json_object_get(object, key)));
}

static void add_real(struct buf *buf, double value, int digits)
{
	double size = fabs(value);

	bool whole = size >= pow(10, digits) || value == floor(value);

	if (whole && size < 1e15) {
		buf_printf(buf, "%.0f", value);
	} else {
		buf_printf(buf, "%.*g", digits, value);
	}
}

static char *real_text(double value, int digits)
{
	struct buf buf;

	buf_init(&buf, NUMBERS_MAX);
	add_real(&buf, value, digits);
	return buf_take(&buf, NULL);
}

char *text_rough(double value)
{
	return real_text(value, ROUGH_DIGITS);
}

char *text_number(const json_t *value)
{
	struct buf buf;
	const char *separator = "", *name;
	json_t *member;

	if (json_is_number(value)) {
		return real_text(json_number_value(value), DIGITS);
	}
	buf_init(&buf, NUMBERS_MAX);
	json_object_foreach((json_t *)value, name, member) {
		char *clean = text_clean(name);

		buf_printf(&buf, "%s%s ", separator, clean);
		add_real(&buf, json_number_value(member), DIGITS);
		separator = ", ";
		free(clean);
	}
	buf_text(&buf, buf.length == 0 ? "-" : "");
	return buf_take(&buf, NULL);
}

char *text_duration(double seconds)
{
	long whole = lround(fmin(fmax(seconds, 0), 1e9));

	if (seconds < 0.9995) {
		return mem_printf("%.0f ms", fmax(seconds, 0) * 1000);
	}
	if (seconds < 59.95) {
		return mem_printf("%.1f s", seconds);
	}
	if (whole < HOUR_S) {
		return mem_printf("%ldm%02lds", whole / MINUTE_S, whole % MINUTE_S);
	}
	if (whole < DAY_S) {
		return mem_printf("%ldh%02ldm", whole / HOUR_S, whole % HOUR_S / MINUTE_S);
	}
	return mem_printf("%ldd%02ldh", whole / DAY_S, whole % DAY_S / HOUR_S);
}

char *text_time(const char *rfc3339)
{
	char *text = text_clean(rfc3339);

	if (strlen(text) > TIME_SECONDS && text[TIME_DATE] == 'T') {
		text[TIME_DATE] = ' ';
		text[TIME_SECONDS] = '\0';
	}
	return text;
}

double text_epoch_s(const char *rfc3339)
{
	struct tm tm = {0};
	const char *end = rfc3339 != NULL ? strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;

	if (end == NULL) {
		return NAN;
	}
	return (double)timegm(&tm) + (*end == '.' ? strtod(end, NULL) : 0);
}

static bool continues(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++) {
		width += !continues(*text);
	}
	return width;
}

void text_clip(char *text, size_t columns)
{
	for (; *text != '\0'; text++) {
		if (!continues(*text) && columns-- == 0) {
			*text = '\0';
			return;
		}
	}
}
