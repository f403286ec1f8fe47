/* Looks through PEM text before libcurl gets it, which would only say that it cannot be used. */
#include "backends/ca.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

/* Reads one after the other; returns how many, and whether what ended it was the end. */
static size_t count_certificates(BIO *bio, int *ret_at_end)
{
	size_t count = 0;
	X509 *one;

	while ((one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		X509_free(one);
		count++;
	}
	*ret_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	return count;
}

int ca_check(const char *pem, size_t length, struct err *reterr)
{
	BIO *bio = length <= INT_MAX ? BIO_new_mem_buf(pem, (int)length) : NULL;
	int at_end = 0;
	size_t count = bio != NULL ? count_certificates(bio, &at_end) : 0;

	BIO_free(bio);
	if (memmem(pem, length, "PRIVATE KEY-----", 16) != NULL) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "holds a private key: give the authority's certificate alone");
	}
	if (!at_end) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "certificate %zu cannot be read: is it cut or changed?", count + 1);
	}
	if (count == 0) {
		return err_set(reterr, ERR_INVALID_FIELD,
			       "holds no certificate in PEM (\"-----BEGIN CERTIFICATE-----\")");
	}
	return 0;
}
