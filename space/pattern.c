/* Compiles name patterns and matches them with PCRE2, within limits. */
#include "space/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MATCH_LIMIT = 100000, DEPTH_LIMIT = 1000, HEAP_LIMIT_KIB = 1024 };

/*
 * PCRE2 does not say how much work a match was: it is found by trying limits that grow. And it
 * counts only the points that it may come back to. Between two of them it reads at most the whole
 * text once, and passes what matches no character: four such items, or 64 bytes, count as a step.
 */
enum { CALL_STEPS = 8, FIRST_LIMIT = 16, LIMIT_GROWTH = 4, ITEMS_A_STEP = 4, BYTES_A_STEP = 64 };

struct pattern {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
	uint64_t weight; /* how many steps one of PCRE2's counts as, for a short text */
};

/* How many items may match without a character: assertions and groups, at most. A group that is
 * repeated is compiled as often. */
static size_t empty_items(const pcre2_code *code, const char *expression)
{
	size_t count = 0;

	if (strstr(expression, "){") != NULL) {
		(void)pcre2_pattern_info(code, PCRE2_INFO_SIZE, &count);
		return count;
	}
	for (const char *c = expression; *c != '\0'; c++) {
		count += strchr("^$(", *c) != NULL;
		if (*c == '\\' && c[1] != '\0') {
			count += strchr("bBAzZGK", *++c) != NULL;
		}
	}
	return count;
}

struct pattern *pattern_create(const char *expression, struct err *reterr)
{
	struct pattern *pattern = mem_new(1, sizeof(*pattern));
	PCRE2_UCHAR message[128];
	PCRE2_SIZE offset;
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
	pattern->weight = 1 + empty_items(pattern->code, expression) / ITEMS_A_STEP;
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
	uint64_t weight = pattern->weight + strlen(text) / BYTES_A_STEP;
	int rc = PCRE2_ERROR_MATCHLIMIT;

	for (uint32_t limit = FIRST_LIMIT; rc == PCRE2_ERROR_MATCHLIMIT && limit <= MATCH_LIMIT;
	     limit *= LIMIT_GROWTH) {
		uint64_t cost = CALL_STEPS + limit * weight;

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

const char *pattern_engine_version(void)
{
	static char version[64]; /* "10.42 2022-12-11" */

	(void)pcre2_config(PCRE2_CONFIG_VERSION, version);
	version[strcspn(version, " ")] = '\0';
	return version;
}
