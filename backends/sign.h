/*
 * Signatures of the Standard Webhooks specification, so that whoever is called can tell that the
 * caller knows the secret, and when the call was made. Any thread.
 */
#ifndef NARROWD_BACKENDS_SIGN_H
#define NARROWD_BACKENDS_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "backends/fetch_header.h"
#include "backends/hash.h"
#include "base/err.h"
#include "base/secret.h"

/* "v1," and the base 64 of 32 bytes, with a NUL. */
enum { SIGN_TEXT_SIZE = 48 };
/* "whsec_" and the base 64 of 32 bytes, with a NUL. */
enum { SIGN_SECRET_SIZE = 51 };
enum { SIGN_HEADERS = 3 };

/* The texts of the headers that sign a message, but for its id. */
struct sign_headers {
	char timestamp[24];
	char signature[SIGN_TEXT_SIZE];
};

/*
 * What a user gives as a secret: "whsec_" and base 64 mean the bytes within, anything else means
 * itself. ERR_INVALID_FIELD when what follows the prefix is no base 64. `ret` is to be finished
 * either way.
 */
int sign_secret_parse(const char *text, struct secret *ret, struct err *reterr);

/*
 * The value of `webhook-signature` for this message: HMAC-SHA256 over "id.timestamp.body" into
 * `ret` (SIGN_TEXT_SIZE bytes). `timestamp_s` is in seconds since the epoch. Returns `ret`.
 */
char *sign_message(const struct secret *secret, const char *id, int64_t timestamp_s,
		   const void *body, size_t length, char *ret);

/*
 * The headers of a message that is sent now: webhook-id, webhook-timestamp, webhook-signature, into
 * `list` (SIGN_HEADERS of them). They borrow `id` and `texts`.
 */
void sign_headers(const struct secret *secret, const char *id, const void *body, size_t length,
		  struct sign_headers *texts, struct fetch_header *list);

/* A new secret as sign_secret_parse() takes it, into `ret` (SIGN_SECRET_SIZE bytes). */
void sign_secret_make(char *ret);

#endif
