/* Parses untrusted JSON within limits, and reads values with a fault for each that is wrong. */
#include "base/json.h"
#include "base/json_budget.h"
#include "base/limits.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/spell.h"

enum { LONGEST_NUMBER = 400 };

void json_setup(void)
{
	json_budget_setup();
	json_object_seed(0);
}

/*
 * jansson turns a few megabytes of "{},{}" into hundreds, so depth and values are counted on the
 * text first. The scan needs no grammar: outside of strings an opening bracket, a comma and a
 * colon are all that can precede a value.
 */
static int check_shape(const char *text, size_t length, const struct json_limits *limits,
		       struct err *reterr)
{
	size_t depth = 0, values = 1;
	bool in_string = false;

	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (in_string) {
			i += c == '\\';
			in_string = c != '"';
			continue;
		}
		in_string = c == '"';
		values += c == ',' || c == ':' || c == '[';
		if ((c == '[' || c == '{') && ++depth > limits->max_depth) {
			return err_set(reterr, ERR_TOO_DEEP,
				       "nested more than %zu levels deep at byte %zu",
				       limits->max_depth, i);
		}
		depth -= (c == ']' || c == '}') && depth > 0;
		if (values > limits->max_values) {
			return err_set(reterr, ERR_TOO_MANY_VALUES, "more than %zu values",
				       limits->max_values);
		}
	}
	return 0;
}

/* Whether these bytes outside of a string stand for a number that is none. */
static bool is_no_number(const char *token, size_t length)
{
	static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
	char number[LONGEST_NUMBER + 1];

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (length == strlen(words[i]) && memcmp(token, words[i], length) == 0) {
			return true;
		}
	}
	if (length == 0 || length > LONGEST_NUMBER) {
		return false;
	}
	memcpy(number, token, length);
	number[length] = '\0';
	return number[strspn(number, "+-.eE0123456789")] == '\0' && isinf(strtod(number, NULL));
}

static bool is_of_token(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '+' || c == '-' || c == '.';
}

/* The text with null in the place of whatever is no number; nothing when there is none of these. */
static void replace_words(const char *text, size_t length, struct buf *ret)
{
	size_t copied = 0;
	bool in_string = false;

	for (size_t i = 0; i < length;) {
		size_t n = 0;

		while (!in_string && i + n < length && is_of_token(text[i + n])) {
			n++;
		}
		if (n > 0 && is_no_number(&text[i], n)) {
			buf_add(ret, &text[copied], i - copied);
			buf_text(ret, "null");
			copied = i + n;
		}
		if (n == 0) {
			n = in_string && text[i] == '\\' ? 2 : 1;
			in_string = in_string != (text[i] == '"');
		}
		i += n;
	}
	if (copied > 0) {
		buf_add(ret, &text[copied], length - copied);
	}
}

static json_t *parse(const char *text, size_t length, const struct json_limits *limits,
		     struct err *reterr)
{
	json_error_t error;
	json_t *value;
	size_t refused;

	if (length > limits->max_bytes) {
		(void)err_set(reterr, ERR_TOO_LARGE, "%zu bytes, at most %zu are taken", length,
			      limits->max_bytes);
		return NULL;
	}
	if (check_shape(text, length, limits, reterr) != 0) {
		return NULL;
	}
	json_budget_begin();
	value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	refused = json_budget_end();
	if (refused > 0) {
		/* Jansson goes on without a character that it had no room for. */
		json_decref(value);
		value = NULL;
	}
	if (refused > LIMIT_JSON_BYTES / 2) {
		(void)err_set(reterr, ERR_TOO_LARGE,
			      "the JSON takes more than %d MiB of memory: send fewer values",
			      LIMIT_JSON_BYTES / 2 / 1024 / 1024);
		return NULL;
	}
	if (refused > 0) {
		(void)err_set(reterr, ERR_OVERLOADED,
			      "there is no memory for the JSON now, or other requests take it: try "
			      "again later");
		return NULL;
	}
	if (value == NULL) {
		(void)err_set(reterr, ERR_INVALID_JSON, "%s at byte %d (line %d)", error.text,
			      error.position, error.line);
		return NULL;
	}
	if (!json_is_object(value)) {
		json_decref(value);
		(void)err_set(reterr, ERR_INVALID_JSON, "a JSON object is expected");
		return NULL;
	}
	return value;
}

json_t *json_parse(const char *text, size_t length, const struct json_limits *limits,
		   struct err *reterr)
{
	struct buf replaced;
	json_t *value;

	buf_init(&replaced, 2 * limits->max_bytes);
	if (limits->words && length <= limits->max_bytes) {
		replace_words(text, length, &replaced);
	}
	value = replaced.length > 0 ? parse(replaced.bytes, replaced.length, limits, reterr)
				    : parse(text, length, limits, reterr);
	buf_finish(&replaced);
	return value;
}

struct json_at json_root(json_t *value, struct err *err)
{
	return (struct json_at){.value = value, .err = err};
}

struct json_at json_member(const struct json_at *object, const char *key)
{
	json_t *value = object->value != NULL ? json_object_get(object->value, key) : NULL;

	return (struct json_at){
		.value = json_is_null(value) ? NULL : value,
		.parent = object,
		.key = key,
		.err = object->err,
	};
}

struct json_at json_item(const struct json_at *array, size_t index)
{
	return (struct json_at){
		.value = json_array_get(array->value, index),
		.parent = array,
		.index = index,
		.err = array->err,
	};
}

static size_t add_escaped(char *pointer, size_t n, const char *key)
{
	for (; *key != '\0' && n + 3 < ERR_POINTER_MAX; key++) {
		if (*key == '~' || *key == '/') {
			pointer[n++] = '~';
			pointer[n++] = *key == '~' ? '0' : '1';
		} else {
			pointer[n++] = *key;
		}
	}
	return n;
}

char *json_pointer(const struct json_at *at, char *pointer)
{
	size_t n;

	if (at->parent == NULL) {
		pointer[0] = '\0';
		return pointer;
	}
	n = strlen(json_pointer(at->parent, pointer));
	if (n + 24 >= ERR_POINTER_MAX) {
		return pointer;
	}
	if (at->key == NULL) {
		(void)snprintf(pointer + n, ERR_POINTER_MAX - n, "/%zu", at->index);
		return pointer;
	}
	pointer[n++] = '/';
	pointer[add_escaped(pointer, n, at->key)] = '\0';
	return pointer;
}

int json_fault(const struct json_at *at, const char *format, ...)
{
	char pointer[ERR_POINTER_MAX];
	char detail[ERR_DETAIL_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	return err_fault(at->err, json_pointer(at, pointer), "%s", detail);
}

static bool is_among(const char *key, const char *const *names)
{
	while (names != NULL && *names != NULL && strcmp(*names, key) != 0) {
		names++;
	}
	return names != NULL && *names != NULL;
}

/* Of the names the one that is most like it, or NULL. */
static const char *most_like(const char *key, const char *const *names)
{
	const char *like = NULL;
	size_t least = SPELL_OTHER;

	for (; *names != NULL; names++) {
		size_t apart = spell_apart(key, *names);

		if (apart < least) {
			least = apart;
			like = *names;
		}
	}
	return like;
}

void json_only_or(const struct json_at *object, const char *const *allowed, const char *inner,
		  const char *const *inside)
{
	const char *key;
	json_t *value;

	json_object_foreach(object->value, key, value) {
		struct json_at at = json_member(object, key);
		const char *like;

		if (is_among(key, allowed)) {
			continue;
		}
		like = most_like(key, allowed);
		if (is_among(key, inside)) {
			(void)json_fault(&at, "unknown member: it belongs into \"%s\"", inner);
		} else if (like != NULL) {
			(void)json_fault(&at, "unknown member: did you mean \"%s\"?", like);
		} else {
			(void)json_fault(&at, "unknown member");
		}
	}
}

void json_only(const struct json_at *object, const char *const *allowed)
{
	json_only_or(object, allowed, NULL, NULL);
}

bool json_bool(const struct json_at *at, bool fallback)
{
	if (at->value == NULL) {
		return fallback;
	}
	if (!json_is_boolean(at->value)) {
		(void)json_fault(at, "true or false is expected");
		return fallback;
	}
	return json_is_true(at->value);
}

bool json_whole(const json_t *value, int64_t *ret)
{
	double real = json_real_value(value);
	bool whole = json_is_real(value) && real == trunc(real) && fabs(real) < 0x1p63;

	*ret = whole ? (int64_t)real : json_integer_value(value);
	return whole || json_is_integer(value);
}

int64_t json_int(const struct json_at *at, int64_t fallback, int64_t min, int64_t max)
{
	int64_t value;

	if (at->value == NULL) {
		return fallback;
	}
	if (!json_whole(at->value, &value)) {
		(void)json_fault(at, "an integer is expected");
		return fallback;
	}
	if (value < min || value > max) {
		(void)json_fault(at, "must be from %lld to %lld", (long long)min, (long long)max);
		return fallback;
	}
	return value;
}

double json_real_in(const struct json_at *at, double fallback, double min, double max)
{
	double value;

	if (at->value == NULL) {
		return fallback;
	}
	if (!json_is_number(at->value)) {
		(void)json_fault(at, "a number is expected");
		return fallback;
	}
	value = json_number_value(at->value);
	if (!(value >= min && value <= max)) {
		(void)json_fault(at, "must be from %g to %g", min, max);
		return fallback;
	}
	return value;
}

const char *json_string_in(const struct json_at *at, const char *fallback, size_t max_bytes)
{
	const char *text;
	size_t n;

	if (at->value == NULL) {
		return fallback;
	}
	if (!json_is_string(at->value)) {
		(void)json_fault(at, "a string is expected");
		return fallback;
	}
	text = json_string_value(at->value);
	n = json_string_length(at->value);
	if (n == 0 || n > max_bytes) {
		(void)json_fault(at, "must have 1 to %zu bytes", max_bytes);
		return fallback;
	}
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F) {
			(void)json_fault(at, "control characters are not allowed");
			return fallback;
		}
	}
	return text;
}

int json_choice(const struct json_at *at, int fallback, const char *const *names)
{
	char list[ERR_DETAIL_MAX] = "";
	const char *text;
	size_t n = 0;

	if (at->value == NULL) {
		return fallback;
	}
	text = json_is_string(at->value) ? json_string_value(at->value) : "";
	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(names[i], text) == 0) {
			return i;
		}
		if (n < sizeof(list)) {
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", i > 0 ? ", " : "",
					      names[i]);
		}
	}
	(void)json_fault(at, "must be one of: %s", list);
	return fallback;
}

bool json_is_object_at(const struct json_at *at)
{
	if (at->value != NULL && !json_is_object(at->value)) {
		(void)json_fault(at, "an object is expected");
	}
	return json_is_object(at->value);
}

bool json_is_array_at(const struct json_at *at, size_t max_items)
{
	if (at->value == NULL) {
		return false;
	}
	if (!json_is_array(at->value)) {
		(void)json_fault(at, "an array is expected");
		return false;
	}
	if (json_array_size(at->value) > max_items) {
		(void)json_fault(at, "at most %zu items are taken", max_items);
		return false;
	}
	return true;
}

bool json_required(const struct json_at *at)
{
	if (at->value == NULL) {
		(void)json_fault(at, "is required");
	}
	return at->value != NULL;
}
