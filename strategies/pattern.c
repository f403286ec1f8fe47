#include "strategies/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MATCH_LIMIT = 100000, DEPTH_LIMIT = 1000, HEAP_LIMIT_KIB = 1024 };

/* PCRE2 does not say how much work a match was, and counts nothing between two points that it may
 * come back to: a step of a long pattern may be long, too. */
enum { CALL_STEPS = 8, FIRST_LIMIT = 16, LIMIT_GROWTH = 4, BYTES_A_STEP = 256 };

struct pattern {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
	uint64_t weight; /* how many steps one of PCRE2's counts as */
};

struct pattern *pattern_create(const char *expression, struct err *reterr)
{
	struct pattern *pattern = mem_new(1, sizeof(*pattern));
	PCRE2_UCHAR message[128];
	PCRE2_SIZE offset;
	size_t bytes = 0;
	int code;

	pattern->code = pcre2_compile((PCRE2_SPTR)expression, PCRE2_ZERO_TERMINATED,
				      PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF |
					      PCRE2_NEVER_BACKSLASH_C,
				      &code, &offset, NULL);
	if (pattern->code == NULL) {
		(void)pcre2_get_error_message(code, message, sizeof(message));
		(void)err_set(reterr, ERR_INVALID_FIELD, "not a regular expression: %s at byte %zu",
			      (const char *)message, (size_t)offset);
		pattern_destroy(pattern);
		return NULL;
	}
	pattern->match = pcre2_match_data_create(1, NULL);
	pattern->context = pcre2_match_context_create(NULL);
	if (pattern->match == NULL || pattern->context == NULL) {
		abort();
	}
	(void)pcre2_pattern_info(pattern->code, PCRE2_INFO_SIZE, &bytes);
	pattern->weight = 1 + bytes / BYTES_A_STEP;
	(void)pcre2_set_match_limit(pattern->context, MATCH_LIMIT);
	(void)pcre2_set_depth_limit(pattern->context, DEPTH_LIMIT);
	(void)pcre2_set_heap_limit(pattern->context, HEAP_LIMIT_KIB);
	return pattern;
}

void pattern_destroy(struct pattern *pattern)
{
	if (pattern == NULL) {
		return;
	}
	pcre2_match_context_free(pattern->context);
	pcre2_match_data_free(pattern->match);
	pcre2_code_free(pattern->code);
	free(pattern);
}

static int run(const struct pattern *pattern, const char *text)
{
	return pcre2_match(pattern->code, (PCRE2_SPTR)text, strlen(text), 0, 0, pattern->match,
			   pattern->context);
}

static int verdict(int rc)
{
	if (rc == PCRE2_ERROR_NOMATCH) {
		return 0;
	}
	return rc >= 0 ? 1 : -1;
}

int pattern_match(const struct pattern *pattern, const char *text)
{
	return verdict(run(pattern, text));
}

int pattern_match_within(const struct pattern *pattern, const char *text, uint64_t *steps)
{
	int rc = PCRE2_ERROR_MATCHLIMIT;

	for (uint32_t limit = FIRST_LIMIT; rc == PCRE2_ERROR_MATCHLIMIT && limit <= MATCH_LIMIT;
	     limit *= LIMIT_GROWTH) {
		uint64_t cost = CALL_STEPS + limit * pattern->weight;

		if (cost > *steps) {
			*steps = 0;
			return -1;
		}
		*steps -= cost;
		(void)pcre2_set_match_limit(pattern->context, limit);
		rc = run(pattern, text);
	}
	return verdict(rc);
}
