/*
 * Gzip (RFC 1952) of answers.
 */
#ifndef NARROWD_API_HTTP_GZIP_H
#define NARROWD_API_HTTP_GZIP_H

#include <stddef.h>

/* The bytes in gzip, which the caller frees, or NULL when that is not much shorter. Any thread. */
char *gzip_pack(const char *bytes, size_t length, size_t *ret_length);
/* What gzip_pack() or another program made of bytes that can be trusted. The caller frees. */
char *gzip_unpack(const void *packed, size_t length, size_t *ret_length);

/* Of zlib, as it runs. */
const char *gzip_engine_version(void);

#endif
