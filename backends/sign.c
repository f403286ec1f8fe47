#include "backends/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(const unsigned char *bytes, size_t length, char *ret)
{
	for (size_t i = 0; i < length; i += 3) {
		uint32_t group = (uint32_t)bytes[i] << 16;

		group |= i + 1 < length ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= i + 2 < length ? bytes[i + 2] : 0;
		*ret++ = alphabet[group >> 18];
		*ret++ = alphabet[group >> 12 & 63];
		*ret++ = i + 1 < length ? alphabet[group >> 6 & 63] : '=';
		*ret++ = i + 2 < length ? alphabet[group & 63] : '=';
	}
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
	char timestamp[24];
	int n = snprintf(timestamp, sizeof(timestamp), "%" PRId64, timestamp_s);
	const struct hash_part parts[] = {
		{id, strlen(id)}, {".", 1}, {timestamp, (size_t)n}, {".", 1}, {body, length},
	};

	hash_hmac_sha256(secret, parts, sizeof(parts) / sizeof(parts[0]), mac);
	memcpy(ret, "v1,", 3);
	encode(mac, sizeof(mac), ret + 3);
	return ret;
}
