#include "backends/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* One MAC in base 64: 43 digits and one "=", since 32 bytes are not a multiple of three. */
static void encode(const unsigned char *mac, char *ret)
{
	uint32_t bits = 0;
	unsigned pending = 0;

	for (size_t i = 0; i < HASH_SHA256_BYTES; i++) {
		bits = bits << 8 | mac[i];
		for (pending += 8; pending >= 6; pending -= 6) {
			*ret++ = alphabet[bits >> (pending - 6) & 63];
		}
	}
	*ret++ = alphabet[bits << (6 - pending) & 63];
	*ret++ = '=';
	*ret = '\0';
}

/* Padding may be left out. Writes at most 3 bytes for 4 characters. False for anything else. */
static bool decode(const char *text, unsigned char *ret, size_t *ret_length)
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

int sign_secret_parse(const char *text, struct secret *ret, struct err *reterr)
{
	static const char prefix[] = "whsec_";
	const char *rest = text + sizeof(prefix) - 1;
	unsigned char *bytes;
	size_t length = 0;
	bool ok;

	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0) {
		secret_init(ret, text, strlen(text));
		return 0;
	}
	secret_init(ret, NULL, 0);
	bytes = mem_new(strlen(rest) + 1, 1);
	ok = decode(rest, bytes, &length);
	if (ok) {
		secret_init(ret, bytes, length);
	}
	explicit_bzero(bytes, strlen(rest) + 1);
	free(bytes);
	return ok ? 0
		  : err_set(reterr, ERR_INVALID_FIELD,
			    "a secret that begins with whsec_ must go on in base 64");
}

char *sign_message(const struct secret *secret, const char *id, int64_t timestamp_s,
		   const void *body, size_t length, char *ret)
{
	unsigned char mac[HASH_SHA256_BYTES];
	char timestamp[24], digits[SIGN_TEXT_SIZE];
	int n = snprintf(timestamp, sizeof(timestamp), "%" PRId64, timestamp_s);
	const struct hash_part parts[] = {
		{id, strlen(id)}, {".", 1}, {timestamp, (size_t)n}, {".", 1}, {body, length},
	};

	hash_hmac_sha256(secret, parts, sizeof(parts) / sizeof(parts[0]), mac);
	encode(mac, digits);
	(void)snprintf(ret, SIGN_TEXT_SIZE, "v1,%.44s", digits);
	return ret;
}
