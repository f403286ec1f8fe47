/* Makes secrets of webhooks, and signs messages with them. */
#include "backends/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"

static const char prefix[] = "whsec_";

int sign_secret_parse(const char *text, struct secret *ret, struct err *reterr)
{
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
	ok = base64_decode(rest, bytes, &length);
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
	base64_encode(mac, sizeof(mac), digits);
	(void)snprintf(ret, SIGN_TEXT_SIZE, "v1,%.44s", digits);
	return ret;
}

void sign_headers(const struct secret *secret, const char *id, const void *body, size_t length,
		  struct sign_headers *texts, struct fetch_header *list)
{
	int64_t now = clock_wall_ms() / 1000;

	(void)snprintf(texts->timestamp, sizeof(texts->timestamp), "%" PRId64, now);
	(void)sign_message(secret, id, now, body, length, texts->signature);
	list[0] = (struct fetch_header){"webhook-id", id};
	list[1] = (struct fetch_header){"webhook-timestamp", texts->timestamp};
	list[2] = (struct fetch_header){"webhook-signature", texts->signature};
}

void sign_secret_make(char *ret)
{
	unsigned char random[32];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		abort();
	}
	memcpy(ret, prefix, sizeof(prefix));
	base64_encode(random, sizeof(random), ret + sizeof(prefix) - 1);
	explicit_bzero(random, sizeof(random));
}
