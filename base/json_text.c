/* JSON values to text. */
#include "base/json.h"

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

/* How long the string, the number or what is between such is that begins here. */
static size_t token_length(const char *token)
{
	const char *end = token + 1;

	if (*token != '"') {
		size_t number = strspn(token, "-+.0123456789eE");

		return number > 0 ? number : strcspn(token, "\"-0123456789eE");
	}
	for (end += strcspn(end, "\"\\"); *end == '\\'; end += strcspn(end, "\"\\")) {
		end += 2;
	}
	return (size_t)(end + 1 - token);
}

/*
 * jansson prints 0.9 with 17 digits as 0.90000000000000002, exact but hard to read, and with 15
 * it loses bits. So long reals are shortened where they stand; `text` is changed in place.
 */
static void shorten_reals(char *text)
{
	enum { SHORT = 17 };
	char *out = text;

	for (const char *in = text; *in != '\0';) {
		size_t length = token_length(in);

		if (length > SHORT && strchr("-0123456789", *in) != NULL &&
		    strcspn(in, ".e") < length) {
			out += shorten(in, length, out);
		} else {
			if (out != in) {
				memmove(out, in, length);
			}
			out += length;
		}
		in += length;
	}
	*out = '\0';
}

static int add_piece(const char *piece, size_t length, void *arg)
{
	struct buf *text = arg;

	buf_add(text, piece, length);
	return text->failed ? -1 : 0;
}

/* Not json_dumps(): its text would count as a tree until it is given back to jansson, and callers free() it. */
static char *dump(const json_t *value, size_t flags)
{
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	if (json_dump_callback(value, add_piece, &text, JSON_COMPACT | JSON_ENCODE_ANY | flags) !=
	    0) {
		buf_finish(&text);
		return NULL;
	}
	return buf_take(&text, NULL);
}

char *json_text_sorted(const json_t *value)
{
	return dump(value, JSON_SORT_KEYS);
}

char *json_text(const json_t *value)
{
	char *text = dump(value, 0);

	if (text != NULL) {
		shorten_reals(text);
	}
	return text;
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
