/* Loads the certificate and its key, and answers libmicrohttpd when it asks for them. */
#include "api/http/http_tls.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { CHAIN_MAX = 16 };

/* A handshake that began with an old pair may still read it, so that is kept until the end. */
struct pair {
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned length;
	gnutls_privkey_t key;
	struct pair *before;
};

static struct pair *shown;

static int fail(struct err *reterr, const char *path, int code)
{
	return err_set(reterr, ERR_CONFIG, "TLS: %s: %s", path, gnutls_strerror(code));
}

/* Whether the key is that of the certificate. */
static int check(const gnutls_datum_t *certificate, const gnutls_datum_t *key)
{
	gnutls_certificate_credentials_t both;
	int code = gnutls_certificate_allocate_credentials(&both);

	if (code == GNUTLS_E_SUCCESS) {
		code = gnutls_certificate_set_x509_key_mem2(both, certificate, key,
							    GNUTLS_X509_FMT_PEM, NULL, 0);
		gnutls_certificate_free_credentials(both);
	}
	return code < 0 ? code : GNUTLS_E_SUCCESS;
}

static void destroy(struct pair *pair)
{
	for (unsigned i = 0; i < pair->length; i++) {
		gnutls_pcert_deinit(&pair->chain[i]);
	}
	if (pair->key != NULL) {
		gnutls_privkey_deinit(pair->key);
	}
	free(pair);
}

static int fill(struct pair *pair, const gnutls_datum_t *certificate, const gnutls_datum_t *key)
{
	unsigned count = CHAIN_MAX;
	int code = gnutls_pcert_list_import_x509_raw(pair->chain, &count, certificate,
						     GNUTLS_X509_FMT_PEM, 0);

	pair->length = code >= 0 ? count : 0;
	if (code >= 0) {
		code = gnutls_privkey_init(&pair->key);
	}
	return code < 0 ? code
			: gnutls_privkey_import_x509_raw(pair->key, key, GNUTLS_X509_FMT_PEM, NULL,
							 0);
}

static int load(const gnutls_datum_t *certificate, const gnutls_datum_t *key, const char *path,
		struct err *reterr)
{
	struct pair *pair = mem_new(1, sizeof(*pair));
	int code = check(certificate, key);

	if (code >= 0) {
		code = fill(pair, certificate, key);
	}
	if (code < 0) {
		destroy(pair);
		return fail(reterr, path, code);
	}
	pair->before = shown;
	shown = pair;
	return 0;
}

int http_tls_load(const char *certificate, const char *key, struct err *reterr)
{
	gnutls_datum_t texts[2] = {{NULL, 0}, {NULL, 0}};
	int code = gnutls_load_file(certificate, &texts[0]);
	int rc = code < 0 ? fail(reterr, certificate, code) : 0;

	if (rc == 0) {
		code = gnutls_load_file(key, &texts[1]);
		rc = code < 0 ? fail(reterr, key, code) : 0;
	}
	if (rc == 0) {
		rc = load(&texts[0], &texts[1], certificate, reterr);
	}
	if (texts[1].data != NULL) {
		gnutls_memset(texts[1].data, 0, texts[1].size);
	}
	gnutls_free(texts[0].data);
	gnutls_free(texts[1].data);
	return rc;
}

bool http_tls_is_loaded(void)
{
	return shown != NULL;
}

void http_tls_forget(void)
{
	while (shown != NULL) {
		struct pair *pair = shown;

		shown = pair->before;
		destroy(pair);
	}
}

/* The certificate itself, without those that lead to its authority; NULL without one. The caller deinits. */
static gnutls_x509_crt_t leaf(void)
{
	gnutls_x509_crt_t leaf;

	if (shown == NULL || gnutls_pcert_export_x509(&shown->chain[0], &leaf) < 0) {
		return NULL;
	}
	return leaf;
}

int64_t http_tls_end_s(void)
{
	gnutls_x509_crt_t certificate = leaf();
	int64_t end_s = -1;

	if (certificate != NULL) {
		end_s = (int64_t)gnutls_x509_crt_get_expiration_time(certificate);
		gnutls_x509_crt_deinit(certificate);
	}
	return end_s;
}

bool http_tls_is_of(const char *host)
{
	gnutls_x509_crt_t certificate = leaf();
	bool is = certificate != NULL && gnutls_x509_crt_check_hostname(certificate, host) != 0;

	if (certificate != NULL) {
		gnutls_x509_crt_deinit(certificate);
	}
	return is;
}

const char *http_tls_engine_version(void)
{
	return gnutls_check_version(NULL);
}

static int retrieve(gnutls_session_t session, const gnutls_datum_t *authorities,
		    int authority_count, const gnutls_pk_algorithm_t *algorithms,
		    int algorithm_count, gnutls_pcert_st **ret_chain, unsigned *ret_length,
		    gnutls_privkey_t *ret_key)
{
	(void)session;
	(void)authorities;
	(void)authority_count;
	(void)algorithms;
	(void)algorithm_count;
	if (shown == NULL) {
		return -1;
	}
	*ret_chain = shown->chain;
	*ret_length = shown->length;
	*ret_key = shown->key;
	return 0;
}

void *http_tls_callback(void)
{
	gnutls_certificate_retrieve_function2 *const callback = retrieve;
	void *untyped; /* as the options of libmicrohttpd are, of which POSIX says that it fits */

	memcpy(&untyped, &callback, sizeof(untyped));
	return untyped;
}

void http_tls_send(void *session, const char *text, size_t length)
{
	(void)gnutls_record_send(session, text, length);
}
