/* Keeps secret bytes, compares them in constant time and wipes them. */
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void secret_init(struct secret *secret, const void *bytes, size_t length)
{
	secret->bytes = length > 0 ? mem_new(length, 1) : NULL;
	secret->length = length;
	if (length > 0) {
		memcpy(secret->bytes, bytes, length);
	}
}

void secret_finish(struct secret *secret)
{
	if (secret->bytes != NULL) {
		explicit_bzero(secret->bytes, secret->length);
		free(secret->bytes);
	}
	secret->bytes = NULL;
	secret->length = 0;
}

bool secret_is_set(const struct secret *secret)
{
	return secret->length > 0;
}

bool secret_equal(const void *a, size_t a_length, const void *b, size_t b_length)
{
	const unsigned char *x = a;
	const unsigned char *y = b;
	unsigned char difference = a_length != b_length;

	for (size_t i = 0; i < b_length; i++) {
		difference |= (unsigned char)(y[i] ^ (i < a_length ? x[i] : 0));
	}
	return difference == 0;
}
