/*
 * Name patterns: regular expressions that must match in full, within fixed limits of work.
 *
 * PCRE2 because the patterns that INC's users have are Perl-like; its match and depth limits keep
 * a hostile pattern from holding the loop.
 */
#ifndef NARROWD_SPACE_PATTERN_H
#define NARROWD_SPACE_PATTERN_H

#include <stdint.h>

#include "base/err.h"

struct pattern;

/* NULL when the expression is malformed; reterr then says where. */
struct pattern *pattern_create(const char *expression, struct err *reterr);
void pattern_destroy(struct pattern *pattern);
/* 1 match, 0 none, -1 the limit of work was reached. */
int pattern_match(const struct pattern *pattern, const char *text);
/* The same with the work taken from `steps`, about a few nanoseconds each; -1 also when it is used
 * up, which makes it 0. */
int pattern_match_within(const struct pattern *pattern, const char *text, uint64_t *steps);

/* Of PCRE2, as it runs. */
const char *pattern_engine_version(void);

#endif
