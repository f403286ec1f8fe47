/* JSON values to text. */
#include "base/json.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* The fewest digits that read back as the same double, into `out`; returns its length. */
static size_t shorten(const char *number, size_t length, char *out)
{
	double value = strtod(number, NULL);

	for (int digits = 15; digits < 17; digits++) {
		char text[32];
		int n = snprintf(text, sizeof(text), "%.*g", digits, value);

		if ((size_t)n < length && strtod(text, NULL) == value) {
			bool is_real = strpbrk(text, ".e") != NULL;

			memcpy(out, text, (size_t)n);
			memcpy(out + n, ".0", is_real ? 0 : 2);
			return (size_t)n + (is_real ? 0 : 2);
		}
	}
	memmove(out, number, length);
	return length;
}

enum { INTEGER_SIZE = 24, REAL_SIZE = 64, SHORT_REAL = 17 };

static void add_integer(struct buf *to, json_int_t value)
{
	char text[INTEGER_SIZE], *at = text + sizeof(text);
	uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do {
		*--at = (char)('0' + left % 10);
		left /= 10;
	} while (left > 0);
	if (value < 0) {
		*--at = '-';
	}
	buf_add(to, at, (size_t)(text + sizeof(text) - at));
}

/* "12.5": `scaled` is the number without its point, which stands before the last `places` digits, at least one. */
static void add_decimal(struct buf *to, bool negative, uint64_t scaled, int places)
{
	char text[INTEGER_SIZE], *at = text + sizeof(text);

	if (places == 0) {
		*--at = '0';
		*--at = '.';
	}
	for (int n = 0; n <= places || scaled > 0; n++) {
		*--at = (char)('0' + scaled % 10);
		scaled /= 10;
		if (n + 1 == places) {
			*--at = '.';
		}
	}
	if (negative) {
		*--at = '-';
	}
	buf_add(to, at, (size_t)(text + sizeof(text) - at));
}

/*
 * What most numbers are: a few digits behind the point, and not so large that a 16th digit could stand for another
 * double. A whole number below 2^53 divided by a power of ten is rounded once, as reading the text is.
 */
static bool add_usual(struct buf *to, double value)
{
	static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
	static const double least = 1e-4, most = 1e9;
	double size = fabs(value);

	for (int places = 0; size >= least && size < most && places < 7; places++) {
		double scaled = rint(size * powers[places]);

		if (scaled / powers[places] == size) {
			add_decimal(to, value < 0, (uint64_t)scaled, places);
			return true;
		}
	}
	return false;
}

/* jansson prints 0.9 with 17 digits as 0.90000000000000002, exact but hard to read, and with 15 it loses bits. */
static void add_real(struct buf *to, const json_t *value)
{
	char text[REAL_SIZE];
	size_t length;

	if (add_usual(to, json_real_value(value))) {
		return;
	}
	length = json_dumpb(value, text, sizeof(text) - 1, JSON_ENCODE_ANY);
	text[length] = '\0';
	buf_add(to, text, length > SHORT_REAL ? shorten(text, length, text) : length);
}

/* Escaped as jansson does: what is stored stays as it would have been. */
static void add_string(struct buf *to, const char *text, size_t length)
{
	static const char letters[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
				       ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
	size_t start = 0;

	buf_add(to, "\"", 1);
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\') {
			continue;
		}
		buf_add(to, text + start, i - start);
		start = i + 1;
		if (letters[c] != '\0') {
			buf_add(to, (const char[]){'\\', letters[c]}, 2);
		} else {
			buf_printf(to, "\\u%04X", c);
		}
	}
	buf_add(to, text + start, length - start);
	buf_add(to, "\"", 1);
}

static void add_value(struct buf *to, const json_t *value);

static void add_object(struct buf *to, const json_t *object)
{
	json_t *all = (json_t *)object; /* an iterator could change it */
	void *first = json_object_iter(all);

	buf_add(to, "{", 1);
	for (void *at = first; at != NULL; at = json_object_iter_next(all, at)) {
		const char *key = json_object_iter_key(at);

		buf_add(to, ",", at != first);
		add_string(to, key, strlen(key));
		buf_add(to, ":", 1);
		add_value(to, json_object_iter_value(at));
	}
	buf_add(to, "}", 1);
}

static void add_array(struct buf *to, const json_t *array)
{
	size_t count = json_array_size(array);

	buf_add(to, "[", 1);
	for (size_t i = 0; i < count; i++) {
		buf_add(to, ",", i > 0);
		add_value(to, json_array_get(array, i));
	}
	buf_add(to, "]", 1);
}

static void add_value(struct buf *to, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		add_object(to, value);
		break;
	case JSON_ARRAY:
		add_array(to, value);
		break;
	case JSON_STRING:
		add_string(to, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		add_integer(to, json_integer_value(value));
		break;
	case JSON_REAL:
		add_real(to, value);
		break;
	case JSON_TRUE:
		buf_add(to, "true", 4);
		break;
	case JSON_FALSE:
		buf_add(to, "false", 5);
		break;
	case JSON_NULL:
		buf_add(to, "null", 4);
		break;
	}
}

static int add_piece(const char *piece, size_t length, void *arg)
{
	struct buf *text = arg;

	buf_add(text, piece, length);
	return text->failed ? -1 : 0;
}

/* Not json_dumps(): its text would count as a tree until it is given back to jansson, and callers free() it. */
char *json_text_sorted(const json_t *value)
{
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	if (json_dump_callback(value, add_piece, &text,
			       JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) != 0) {
		buf_finish(&text);
		return NULL;
	}
	return buf_take(&text, NULL);
}

/* Not jansson's, which looks for circles with a table for each object and array, and we make none. */
char *json_text(const json_t *value)
{
	struct buf text;

	if (value == NULL) {
		return NULL;
	}
	buf_init(&text, SIZE_MAX / 2);
	add_value(&text, value);
	return buf_take(&text, NULL);
}

static const char *behind_string(const char *at)
{
	for (at++; *at != '"' && *at != '\0'; at++) {
		at += *at == '\\' && at[1] != '\0';
	}
	return at + (*at != '\0');
}

/* Behind the value that begins here. */
static const char *behind(const char *at)
{
	size_t depth = 0;

	do {
		depth += *at == '{' || *at == '[';
		depth -= *at == '}' || *at == ']';
		at = *at == '"' ? behind_string(at) : at + 1;
	} while (*at != '\0' && (depth > 0 || (*at != ',' && *at != '}' && *at != ']')));
	return at;
}

const char *json_text_member(const char *object, const char *name, size_t *ret_length)
{
	size_t length = strlen(name);
	const char *at = object[0] == '{' ? object + 1 : object;

	while (*at == '"') {
		const char *key = at + 1, *colon = behind_string(at), *value, *end;

		if (colon[0] != ':' || colon[1] == '\0') {
			return NULL; /* no text of ours */
		}
		value = colon + 1;
		end = behind(value);
		if (strncmp(key, name, length) == 0 && key[length] == '"') {
			*ret_length = (size_t)(end - value);
			return value;
		}
		at = end + (*end == ',');
	}
	return NULL;
}

char *json_text_last(json_t *value)
{
	char *text = json_text(value);

	json_decref(value);
	return text;
}
