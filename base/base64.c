/* Writes bytes as base 64 and reads them back, with or without padding. */
#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *bytes, size_t length, char *ret)
{
	const unsigned char *byte = bytes;
	const char *start = ret;
	uint32_t bits = 0;
	unsigned pending = 0;

	for (size_t i = 0; i < length; i++) {
		bits = bits << 8 | byte[i];
		for (pending += 8; pending >= 6; pending -= 6) {
			*ret++ = alphabet[bits >> (pending - 6) & 63];
		}
	}
	if (pending > 0) {
		*ret++ = alphabet[bits << (6 - pending) & 63];
	}
	while ((ret - start) % 4 != 0) {
		*ret++ = '=';
	}
	*ret = '\0';
}

bool base64_decode(const char *text, unsigned char *ret, size_t *ret_length)
{
	uint32_t bits = 0;
	unsigned pending = 0;
	size_t n = 0, length = strcspn(text, "=");

	if (strspn(text + length, "=") != strlen(text + length) || strlen(text + length) > 2) {
		return false;
	}
	for (size_t i = 0; i < length; i++) {
		const char *digit = strchr(alphabet, text[i]);

		if (digit == NULL) {
			return false;
		}
		bits = bits << 6 | (uint32_t)(digit - alphabet);
		pending += 6;
		if (pending >= 8) {
			pending -= 8;
			ret[n++] = (unsigned char)(bits >> pending & 255);
		}
	}
	*ret_length = n;
	return n > 0 && pending < 6 && (bits & ((1U << pending) - 1)) == 0;
}
