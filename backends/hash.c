/* Makes SHA-256 digests and their HMAC with libcrypto. */
#include "backends/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

/* libcrypto fails here only when memory is short or the installation is broken. */
static void must(int ok)
{
	if (ok != 1) {
		abort();
	}
}

void hash_sha256_hex(const void *bytes, size_t length, char *ret_hex65)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[HASH_SHA256_BYTES];

	must(EVP_Digest(bytes, length, hash, NULL, EVP_sha256(), NULL));
	for (size_t i = 0; i < sizeof(hash); i++) {
		ret_hex65[2 * i] = digits[hash[i] >> 4];
		ret_hex65[2 * i + 1] = digits[hash[i] & 15];
	}
	ret_hex65[HASH_SHA256_HEX_SIZE - 1] = '\0';
}

void hash_hmac_sha256(const struct secret *key, const struct hash_part *parts, size_t count,
		      unsigned char *ret)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, key->bytes, key->length);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t length = HASH_SHA256_BYTES;

	must(pkey != NULL && context != NULL);
	must(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, pkey));
	for (size_t i = 0; i < count; i++) {
		must(EVP_DigestSignUpdate(context, parts[i].bytes, parts[i].length));
	}
	must(EVP_DigestSignFinal(context, ret, &length));
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(pkey);
}

const char *hash_engine_version(void)
{
	return OpenSSL_version(OPENSSL_VERSION_STRING);
}
