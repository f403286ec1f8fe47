/* Writes numbers, times and texts so that people can read them and terminals do not obey them. */
#include "cli/text.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

enum {
	COLUMNS_DEFAULT = 80,
	NUMBERS_MAX = 4096,
	DIGITS = 5,
	ROUGH_DIGITS = 3,
	TIME_DATE = 10,
	TIME_SECONDS = 19
};
enum { MINUTE_S = 60, HOUR_S = 60 * MINUTE_S, DAY_S = 24 * HOUR_S };

/* The bytes of the control character that begins here; 0 when none does. */
static size_t control_length(const unsigned char *at)
{
	static const struct {
		unsigned char first, second, from, to;
	} wide[] = {
		{0xe2, 0x80, 0x8e, 0x8f}, /* U+200E, U+200F: marks of direction */
		{0xe2, 0x80, 0xa8,
		 0xae}, /* U+2028 to U+202E: ends of lines, embeddings, overrides */
		{0xe2, 0x81, 0xa6, 0xa9}, /* U+2066 to U+2069: isolates */
	};

	if (*at < ' ' || *at == 0x7f) {
		return 1;
	}
	/* U+0080 to U+009F, and U+061C, the Arabic mark of direction. */
	if ((at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) || (at[0] == 0xd8 && at[1] == 0x9c)) {
		return 2;
	}
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		if (at[0] == wide[i].first && at[1] == wide[i].second && at[2] >= wide[i].from &&
		    at[2] <= wide[i].to) {
			return 3;
		}
	}
	return 0;
}

char *text_clean(const char *text)
{
	char *copy = mem_dup(text != NULL ? text : "-");

	for (unsigned char *at = (unsigned char *)copy; *at != '\0'; at++) {
		size_t length = control_length(at);

		if (length > 0) {
			memset(at, '?', length);
			at += length - 1;
		}
	}
	return copy;
}

char *text_safe(const char *text)
{
	struct buf buf;

	buf_init(&buf, 6 * strlen(text) + 1);
	while (*text != '\0') {
		const unsigned char *at = (const unsigned char *)text;
		size_t length = *at == '\n' || *at == '\t' || *at == '\r' ? 0 : control_length(at);
		unsigned code = length == 1   ? at[0]
				: length == 2 ? (at[0] & 0x1fU) << 6 | (at[1] & 0x3fU)
					      : (at[0] & 0xfU) << 12;

		if (length == 3) {
			code |= (at[1] & 0x3fU) << 6 | (at[2] & 0x3fU);
		}
		if (length > 0) {
			buf_printf(&buf, "\\u%04x", code);
		} else {
			buf_add(&buf, text, 1);
		}
		text += length > 0 ? length : 1;
	}
	return buf_take(&buf, NULL);
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

size_t text_columns(void)
{
	struct winsize size;

	if (isatty(STDOUT_FILENO) != 1) {
		return 0;
	}
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
									       : COLUMNS_DEFAULT;
}

void text_add(struct buf *buf, const char *before, char *text, const char *after)
{
	buf_printf(buf, "%s%s%s", before, text, after);
	free(text);
}
