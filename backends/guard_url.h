/*
 * The grammar of URLs that narrowd is willing to read: narrow enough that no two parsers can differ
 * about where one of them leads.
 *
 * http and https; no user info, fragment, control, non-ASCII or backslash; the host a canonical
 * dotted quad, a bracketed IPv6 address or a name of letters, digits, "-" and "_" whose last label
 * does not look like a number. Pure; any thread.
 */
#ifndef NARROWD_BACKENDS_GUARD_URL_H
#define NARROWD_BACKENDS_GUARD_URL_H

#include "backends/guard.h"
#include "base/err.h"

/* ERR_EVALUATOR_DENIED with the reason. */
int guard_url_parse(const char *text, struct guard_url *ret, struct err *reterr);
/* A URL of the strict grammar with `tls` or without it, and otherwise the same: its port too, which is written out. The caller
 * frees; NULL for another URL. */
char *guard_url_in(const char *url, bool tls);

#endif
