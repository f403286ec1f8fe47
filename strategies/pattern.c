#include "strategies/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MATCH_LIMIT = 100000, DEPTH_LIMIT = 1000, HEAP_LIMIT_KIB = 1024 };

struct pattern {
	pcre2_code *code;
	pcre2_match_data *match;
	pcre2_match_context *context;
};

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

int pattern_match(const struct pattern *pattern, const char *text)
{
	int rc = pcre2_match(pattern->code, (PCRE2_SPTR)text, strlen(text), 0, 0, pattern->match,
			     pattern->context);

	if (rc == PCRE2_ERROR_NOMATCH) {
		return 0;
	}
	return rc >= 0 ? 1 : -1;
}
