/*
 * Base 64 (RFC 4648 section 4).
 */
#ifndef NARROWD_BASE_BASE64_H
#define NARROWD_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes that the text of `length` bytes takes, the NUL included. */
#define BASE64_SIZE(length) (((length) + 2) / 3 * 4 + 1)

void base64_encode(const void *bytes, size_t length, char *ret);
/* Padding may be left out. Writes at most 3 bytes for 4 characters. False for anything else. */
bool base64_decode(const char *text, unsigned char *ret, size_t *ret_length);

#endif
