/*
 * SHA-256 and what is made of it; the one home of libcrypto in this folder. Any thread.
 */
#ifndef NARROWD_BACKENDS_HASH_H
#define NARROWD_BACKENDS_HASH_H

#include <stddef.h>

#include "base/secret.h"

enum { HASH_SHA256_BYTES = 32, HASH_SHA256_HEX_SIZE = 2 * HASH_SHA256_BYTES + 1 };

struct hash_part {
	const void *bytes;
	size_t length;
};

/* Lower-case hexadecimal digits and a NUL into `ret_hex65` (HASH_SHA256_HEX_SIZE bytes). */
void hash_sha256_hex(const void *bytes, size_t length, char *ret_hex65);
/* HMAC-SHA256 (RFC 2104) of the parts one after the other, HASH_SHA256_BYTES into `ret`. */
void hash_hmac_sha256(const struct secret *key, const struct hash_part *parts, size_t count,
		      unsigned char *ret);

/* Of OpenSSL's libcrypto, as it runs. */
const char *hash_engine_version(void);

#endif
