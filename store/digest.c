/* Sums bytes up with GnuTLS. */
#include "store/digest.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

enum { BYTES = (DIGEST_HEX_SIZE - 1) / 2 };

struct digest {
	gnutls_hash_hd_t hash;
};

struct digest *digest_create(struct err *reterr)
{
	struct digest *digest = mem_new(1, sizeof(*digest));

	if (gnutls_hash_init(&digest->hash, GNUTLS_DIG_SHA256) != 0) {
		(void)err_set(reterr, ERR_NO_MEMORY, "no memory for a hash");
		free(digest);
		return NULL;
	}
	return digest;
}

void digest_add(struct digest *digest, const void *bytes, size_t length)
{
	(void)gnutls_hash(digest->hash, bytes, length);
}

void digest_end(struct digest *digest, char ret_hex[DIGEST_HEX_SIZE])
{
	unsigned char bytes[BYTES];

	gnutls_hash_deinit(digest->hash, bytes);
	for (size_t i = 0; i < BYTES; i++) {
		(void)snprintf(ret_hex + 2 * i, 3, "%02x", bytes[i]);
	}
	free(digest);
}
