/*
 * SHA-256 of bytes that come one after the other. Any thread.
 */
#ifndef NARROWD_STORE_DIGEST_H
#define NARROWD_STORE_DIGEST_H

#include <stddef.h>

#include "base/err.h"

enum { DIGEST_HEX_SIZE = 65 };

struct digest;

/* ERR_NO_MEMORY. */
struct digest *digest_create(struct err *reterr);
void digest_add(struct digest *digest, const void *bytes, size_t length);
/* Lower-case hexadecimal digits and a NUL; frees it. */
void digest_end(struct digest *digest, char ret_hex[DIGEST_HEX_SIZE]);

#endif
