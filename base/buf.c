/* Adds to a growing buffer: bytes, texts, JSON strings, and lines that no terminal obeys. */
#include "base/buf.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void buf_init(struct buf *buf, size_t max)
{
	memset(buf, 0, sizeof(*buf));
	buf->max = max;
}

void buf_init_long(struct buf *buf, size_t max)
{
	buf_init(buf, max);
	buf->is_long = true;
}

void buf_finish(struct buf *buf)
{
	free(buf->bytes);
	memset(buf, 0, sizeof(*buf));
}

void buf_clear(struct buf *buf)
{
	buf->length = 0;
	buf->failed = false;
	if (buf->bytes != NULL) {
		buf->bytes[0] = '\0';
	}
}

static bool make_room(struct buf *buf, size_t more)
{
	size_t need = buf->length + more + 1;
	size_t capacity = buf->capacity > 0 ? buf->capacity : 64;
	char *bytes;

	if (buf->failed || more > buf->max || buf->length > buf->max - more) {
		buf->failed = true;
		return false;
	}
	if (need <= buf->capacity) {
		return true;
	}
	while (capacity < need) {
		capacity *= 2;
	}
	bytes = buf->is_long ? realloc(buf->bytes, capacity) : mem_grow(buf->bytes, capacity, 1);
	if (bytes == NULL) {
		buf->failed = true;
		return false;
	}
	buf->bytes = bytes;
	buf->capacity = capacity;
	return true;
}

void buf_add(struct buf *buf, const void *bytes, size_t length)
{
	if (!make_room(buf, length)) {
		return;
	}
	if (length > 0) { /* an empty buffer has no bytes, and memcpy takes no NULL */
		memcpy(buf->bytes + buf->length, bytes, length);
	}
	buf->length += length;
	buf->bytes[buf->length] = '\0';
}

void buf_text(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_expect(struct buf *buf, size_t more)
{
	if (more <= buf->max && buf->length <= buf->max - more) {
		(void)make_room(buf, more);
	}
}

void buf_again(struct buf *buf, size_t start, size_t length)
{
	if (make_room(buf, length)) {
		memcpy(buf->bytes + buf->length, buf->bytes + start, length);
		buf->length += length;
		buf->bytes[buf->length] = '\0';
	}
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0 || !make_room(buf, (size_t)n)) {
		buf->failed = true;
		return;
	}
	va_start(args, format);
	(void)vsnprintf(buf->bytes + buf->length, (size_t)n + 1, format, args);
	va_end(args);
	buf->length += (size_t)n;
}

/* Length of the valid UTF-8 sequence at `s`, or 0 (RFC 3629: no surrogates, no overlong forms). */
static size_t utf8_length(const unsigned char *s, size_t left)
{
	static const struct {
		unsigned char low, high, second_low, second_high;
		size_t length;
	} forms[] = {
		{0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
		{0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
		{0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
		{0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
	};

	if (s[0] < 0x80) {
		return 1;
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].low || s[0] > forms[i].high) {
			continue;
		}
		if (forms[i].length > left || s[1] < forms[i].second_low ||
		    s[1] > forms[i].second_high) {
			return 0;
		}
		for (size_t k = 2; k < forms[i].length; k++) {
			if ((s[k] & 0xC0) != 0x80) {
				return 0;
			}
		}
		return forms[i].length;
	}
	return 0;
}

/* How many bytes from here on a JSON string has as they are; those of letters beyond ASCII not counted. */
static size_t plain_length(const unsigned char *s, size_t left)
{
	size_t n = 0;

	while (n < left && s[n] >= 0x20 && s[n] < 0x7F && s[n] != '"' && s[n] != '\\') {
		n++;
	}
	return n;
}

void buf_json_string(struct buf *buf, const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t step;

	if (length > 0 && plain_length(s, length) == length && make_room(buf, length + 2)) {
		char *to = buf->bytes + buf->length;

		*to++ = '"';
		memcpy(to, text, length);
		memcpy(to + length, "\"", 2);
		buf->length += length + 2;
		return;
	}
	buf_add(buf, "\"", 1);
	for (size_t i = 0; i < length; i += step) {
		size_t plain = plain_length(s + i, length - i);
		size_t valid = plain > 0 ? plain : utf8_length(s + i, length - i);

		step = valid > 0 ? valid : 1;
		if (plain > 0) {
			buf_add(buf, s + i, plain);
		} else if (s[i] == '"' || s[i] == '\\') {
			buf_printf(buf, "\\%c", s[i]);
		} else if (s[i] < 0x20 || s[i] == 0x7F) {
			buf_printf(buf, "\\u%04x", s[i]);
		} else if (valid == 0) {
			buf_text(buf, "\xEF\xBF\xBD");
		} else {
			buf_add(buf, s + i, step);
		}
	}
	buf_add(buf, "\"", 1);
}

enum { SHORT_DIGITS = 6, ONE_MORE = 1000000 };

/* All exact. */
static const long double powers_of_ten[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,
					    1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
					    1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L,
					    1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

/* The first digits of a number around 1 as an integer, and the power of ten of the first. */
static long first_digits(double value, int *ret_power)
{
	long digits;
	int binary;

	(void)frexp(value, &binary);
	*ret_power = (int)floor((binary - 1) * 0.30103);
	do {
		int shift = SHORT_DIGITS - 1 - *ret_power;

		digits = (long)rintl(shift < 0 ? value / powers_of_ten[-shift]
					       : value * powers_of_ten[shift]);
		++*ret_power;
	} while (digits >= ONE_MORE);
	--*ret_power;
	return digits;
}

/* "1.25e-07": the first digit, and behind the point the others, of which there may be none. */
static void add_scientific(struct buf *buf, const char *digits, size_t count, int power)
{
	int size = power < 0 ? -power : power;
	char exponent[] = {'e', power < 0 ? '-' : '+', (char)('0' + size / 10),
			   (char)('0' + size % 10)};

	buf_add(buf, digits, 1);
	buf_add(buf, ".", count > 1);
	buf_add(buf, digits + 1, count - 1);
	buf_add(buf, exponent, sizeof(exponent));
}

void buf_short_number(struct buf *buf, double value)
{
	static const double least = 1e-20, most = 1e20;
	double size = fabs(value);
	char text[SHORT_DIGITS];
	int power, count = SHORT_DIGITS;
	size_t whole;
	bool is_plain;
	long digits;

	if (value == 0 && signbit(value) == 0) {
		buf_add(buf, "0", 1);
		return;
	}
	if (!(size > least && size < most)) {
		buf_printf(buf, "%.*g", SHORT_DIGITS, value);
		return;
	}
	digits = first_digits(size, &power);
	is_plain = power >= -4 && power < SHORT_DIGITS;
	whole = is_plain && power >= 0 ? (size_t)power + 1 : 0;
	for (int i = SHORT_DIGITS - 1; i >= 0; i--) {
		text[i] = (char)('0' + digits % 10);
		digits /= 10;
	}
	while (text[count - 1] == '0' && (size_t)count > (whole > 0 ? whole : 1)) {
		count--;
	}
	buf_add(buf, "-", value < 0);
	if (!is_plain) {
		add_scientific(buf, text, (size_t)count, power);
		return;
	}
	buf_add(buf, "0.000", power < 0 ? (size_t)(1 - power) : 0);
	buf_add(buf, text, whole);
	buf_add(buf, ".", whole > 0 && (size_t)count > whole);
	buf_add(buf, text + whole, (size_t)count - whole);
}

/* C0, C1 and DEL. */
static bool is_control(const unsigned char *s, size_t length)
{
	return length == 1 ? s[0] < ' ' || s[0] == 0x7F
			   : length == 2 && s[0] == 0xC2 && s[1] < 0xA0;
}

char *buf_line(const char *text, size_t length, size_t max)
{
	const unsigned char *s = (const unsigned char *)text;
	char *line = mem_new(max + 1, 1);
	size_t n = 0, step;

	for (size_t i = 0; i < length; i += step) {
		size_t valid = utf8_length(s + i, length - i);
		bool blank = valid > 0 && (is_control(s + i, valid) || s[i] == ' ');

		step = valid > 0 ? valid : 1;
		if (n + (blank ? 1 : step) > max) {
			break;
		}
		if (blank && n > 0) {
			line[n++] = ' ';
		} else if (valid == 0) {
			line[n++] = '?';
		} else if (!blank) {
			memcpy(line + n, s + i, step);
			n += step;
		}
	}
	while (n > 0 && line[n - 1] == ' ') {
		n--;
	}
	line[n] = '\0';
	return line;
}

char *buf_take(struct buf *buf, size_t *ret_length)
{
	char *bytes = buf->bytes != NULL ? buf->bytes : mem_dup("");

	if (ret_length != NULL) {
		*ret_length = buf->length;
	}
	buf->bytes = NULL;
	buf->length = buf->capacity = 0;
	return bytes;
}

char *buf_take_whole(struct buf *buf)
{
	if (buf->failed) {
		buf_finish(buf);
		return NULL;
	}
	return buf_take(buf, NULL);
}

void buf_escaped(struct buf *buf, const char *text, const char *plain)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c) || strchr(plain, c) != NULL) {
			buf_add(buf, text, 1);
		} else {
			buf_printf(buf, "%%%02X", c);
		}
	}
}
