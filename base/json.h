/*
 * JSON at the edges: parsing untrusted text within limits, and checked getters that report every
 * fault with its JSON Pointer.
 *
 * A `struct json_at` is a value together with the path that led to it; getters take one and, on a
 * fault, add it to the error and return the fallback, so that a whole document is checked in one
 * pass. Everything here is for the thread that owns the value. Call json_setup() first.
 */
#ifndef NARROWD_BASE_JSON_H
#define NARROWD_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct json_limits {
	size_t max_bytes;
	size_t max_depth;
	size_t max_values;
	/* The words NaN, Infinity and -Infinity, which Python writes, and numbers beyond a double are
	 * read as null instead of being refused. */
	bool words;
};

struct json_at {
	json_t *value; /* borrowed; NULL when absent */
	const struct json_at *parent;
	const char *key; /* NULL for an array item */
	size_t index;
	struct err *err; /* where faults go */
};

/* Seeds jansson's hashing; once, before threads. */
void json_setup(void);

/*
 * Parses one object. Refuses duplicate keys, trailing bytes, depth and value counts over the
 * limits (counted before anything is allocated). Returns a new reference or NULL.
 */
json_t *json_parse(const char *text, size_t length, const struct json_limits *limits,
		   struct err *reterr);
/* Compact text of `value`, reals with as many digits as they need to read back the same; the
 * caller frees. NULL when out of memory. */
char *json_text(const json_t *value);
/* The same with members in the order of their names, and reals as they are. */
char *json_text_sorted(const json_t *value);
/* As json_text(), and drops the reference. */
char *json_text_last(json_t *value);

/* Where a member's value stands in the text of an object that json_text() made, and how long it is; NULL without it.
 * For what is too large to be parsed; of text that is no JSON nothing is read but what it has. */
const char *json_text_member(const char *object, const char *name, size_t *ret_length);

struct json_at json_root(json_t *value, struct err *err);
/* The member, or an absent one (value NULL). JSON null counts as absent. */
struct json_at json_member(const struct json_at *object, const char *key);
struct json_at json_item(const struct json_at *array, size_t index);
/* Writes the JSON Pointer of `at` into `pointer` (ERR_POINTER_MAX bytes). Returns `pointer`. */
char *json_pointer(const struct json_at *at, char *pointer);
int json_fault(const struct json_at *at, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Faults every member of `object` whose name is not in the NULL-terminated list, and says which one it is like. */
void json_only(const struct json_at *object, const char *const *allowed);
/* The same, and says of members in the list `inside` that they belong into the object's member `inner`. */
void json_only_or(const struct json_at *object, const char *const *allowed, const char *inner,
		  const char *const *inside);

/* Each returns `fallback` when absent or faulty; ranges are inclusive. */
bool json_bool(const struct json_at *at, bool fallback);
int64_t json_int(const struct json_at *at, int64_t fallback, int64_t min, int64_t max);
/* Whether the value is an integer as JSON Schema has it, which 218.0 is. */
bool json_whole(const json_t *value, int64_t *ret);
double json_real_in(const struct json_at *at, double fallback, double min, double max);
/* A string of 1..max_bytes bytes without control characters; borrowed from the value. */
const char *json_string_in(const struct json_at *at, const char *fallback, size_t max_bytes);
/* Index of the string in the NULL-terminated list, or `fallback`. */
int json_choice(const struct json_at *at, int fallback, const char *const *names);
bool json_is_object_at(const struct json_at *at);
bool json_is_array_at(const struct json_at *at, size_t max_items);
/* Faults when absent. Returns whether present. */
bool json_required(const struct json_at *at);

#endif
