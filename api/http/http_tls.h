/*
 * TLS: the certificate that listeners show, and its key; the one home of GnuTLS.
 *
 * There is one pair for the whole process, because libmicrohttpd asks for it without saying for whom.
 */
#ifndef NARROWD_API_HTTP_HTTP_TLS_H
#define NARROWD_API_HTTP_HTTP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Of GnuTLS: TLS 1.2 and 1.3, nothing that has less than 128 bits. */
#define HTTP_TLS_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* Reads both files, PEM: the certificate, perhaps with those that lead to its authority, and its key.
 * Shown from the next connection on; after -ERR_CONFIG the pair before stays. */
int http_tls_load(const char *certificate, const char *key, struct err *reterr);
bool http_tls_is_loaded(void);
/* When no connection is left. */
void http_tls_forget(void);
/* For MHD_OPTION_HTTPS_CERT_CALLBACK. */
void *http_tls_callback(void);
/* Best effort, without waiting. `session` is libmicrohttpd's. */
void http_tls_send(void *session, const char *text, size_t length);

/* When the certificate that is loaded ends, in seconds since 1970; -1 without one. */
int64_t http_tls_end_s(void);
/* Whether it is one of that name or address. */
bool http_tls_is_of(const char *host);
/* Of GnuTLS, as it runs. */
const char *http_tls_engine_version(void);

#endif
