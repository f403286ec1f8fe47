/*
 * The guard: which requests may not even be read further, decided from their head alone.
 *
 * It knows no server library, so that it can be tested and fuzzed with plain texts. Feed it every
 * header with http_guard_add(), then ask http_guard_check(). Pure; any thread.
 */
#ifndef NARROWD_API_HTTP_HTTP_GUARD_H
#define NARROWD_API_HTTP_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The headers that the guard looks at; each remembers its last value and how often it came. */
enum http_guard_field {
	GUARD_AUTHORIZATION,
	GUARD_CONTENT_ENCODING,
	GUARD_CONTENT_LENGTH,
	GUARD_CONTENT_TYPE,
	GUARD_EXPECT,
	GUARD_HOST,
	GUARD_ORIGIN,
	GUARD_SEC_FETCH_SITE,
	GUARD_TRANSFER_ENCODING,
	GUARD_FIELD_COUNT,
};

struct http_guard {
	struct {
		const char *value; /* borrowed from the caller of http_guard_add() */
		unsigned count;
	} fields[GUARD_FIELD_COUNT];
	size_t bytes;
	bool malformed;
};

/* What is fixed before the headers are seen. */
struct http_guard_rules {
	const char *method;
	const char *version;
	bool secure;     /* the connection is: our own pages are those of https */
	bool check_host; /* the listener is one that web pages of its own machine can reach */
	const char *const *allowed_hosts; /* as in struct http_options */
	size_t max_body;
};

struct http_guard_verdict {
	bool has_body;
	uint64_t length; /* announced; 0 when chunked */
	/* Nobody can tell where the next request begins, or the body is not worth reading. */
	bool close;
};

/* The raw request target: length, escapes, control characters, number of query arguments. */
int http_guard_target(const char *target, struct err *reterr);

void http_guard_add(struct http_guard *guard, const char *name, size_t name_length,
		    const char *value, size_t value_length);

/* Fills `verdict` in either case. Returns 0 or the negative code of the first rule broken. */
int http_guard_check(const struct http_guard *guard, const struct http_guard_rules *rules,
		     struct http_guard_verdict *verdict, struct err *reterr);

#endif
