/*
 * Problem documents (RFC 9457): the one form in which errors leave the daemon.
 */
#ifndef NARROWD_API_HTTP_PROBLEM_H
#define NARROWD_API_HTTP_PROBLEM_H

#include <stddef.h>

#include "base/err.h"

#define PROBLEM_TYPE "application/problem+json"

/*
 * The document of `err` for the resource `instance` (a decoded path) and the request of that id;
 * both may be NULL. Only the start of a long `instance` is kept, so that an answer never echoes
 * much of what a client sent. The caller frees; never NULL.
 */
char *problem_text(const struct err *err, const char *instance, const char *request_id,
		   size_t *ret_length);

#endif
