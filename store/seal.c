/* Encrypts and opens secrets inside SQL, and keeps their key. */
#include "store/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/backup.h"
#include "store/db.h"

/* In front of base 64 of the nonce, the ciphertext and its tag. */
#define MARK  "sealed:1:"
#define PROOF "narrowd"

enum { KEY_BYTES = 32, NONCE_BYTES = 12, TAG_BYTES = 16, MARK_BYTES = sizeof(MARK) - 1 };

static unsigned char key[KEY_BYTES];
static bool has_key;

static bool begin(gnutls_aead_cipher_hd_t *ret)
{
	const gnutls_datum_t datum = {.data = key, .size = sizeof(key)};

	return has_key && gnutls_aead_cipher_init(ret, GNUTLS_CIPHER_AES_256_GCM, &datum) == 0;
}

/* NULL without a key. The caller frees. */
static char *seal(const char *text, size_t length, const char *id, size_t id_length)
{
	size_t sealed = length + TAG_BYTES;
	unsigned char *bytes = mem_new(NONCE_BYTES + sealed, 1);
	char *ret = mem_new(MARK_BYTES + BASE64_SIZE(NONCE_BYTES + sealed), 1);
	gnutls_aead_cipher_hd_t cipher;
	bool good = begin(&cipher);

	if (good) {
		good = getrandom(bytes, NONCE_BYTES, 0) == NONCE_BYTES &&
		       gnutls_aead_cipher_encrypt(cipher, bytes, NONCE_BYTES, id, id_length,
						  TAG_BYTES, text, length, bytes + NONCE_BYTES,
						  &sealed) == 0;
		gnutls_aead_cipher_deinit(cipher);
	}
	memcpy(ret, MARK, MARK_BYTES);
	base64_encode(bytes, NONCE_BYTES + sealed, ret + MARK_BYTES);
	free(bytes);
	if (!good) {
		free(ret);
		ret = NULL;
	}
	return ret;
}

/* NULL when it is not what this key has sealed for this id. The caller frees. */
static char *unseal(const char *text, const char *id, size_t id_length)
{
	size_t length = 0;
	unsigned char *bytes = mem_new(strlen(text), 1);
	char *ret = mem_new(strlen(text), 1);
	size_t plain = strlen(text);
	gnutls_aead_cipher_hd_t cipher;
	bool good = base64_decode(text + MARK_BYTES, bytes, &length) &&
		    length >= NONCE_BYTES + TAG_BYTES && begin(&cipher);

	if (good) {
		good = gnutls_aead_cipher_decrypt(cipher, bytes, NONCE_BYTES, id, id_length,
						  TAG_BYTES, bytes + NONCE_BYTES,
						  length - NONCE_BYTES, ret, &plain) == 0;
		gnutls_aead_cipher_deinit(cipher);
	}
	free(bytes);
	if (!good) {
		free(ret);
		return NULL;
	}
	ret[plain] = '\0';
	return ret;
}

static bool is_sealed(const char *text)
{
	return strncmp(text, MARK, MARK_BYTES) == 0;
}

char *seal_text(const char *text, const char *id)
{
	return seal(text, strlen(text), id, strlen(id));
}

char *seal_open(const char *text, const char *id)
{
	return is_sealed(text) ? unseal(text, id, strlen(id)) : NULL;
}

static void sql_seal(sqlite3_context *context, int count, sqlite3_value **values)
{
	const char *text = (const char *)sqlite3_value_text(values[0]);
	const char *id = (const char *)sqlite3_value_text(values[1]);
	char *sealed;

	(void)count;
	if (text == NULL || id == NULL) {
		sqlite3_result_null(context);
		return;
	}
	sealed = seal(text, (size_t)sqlite3_value_bytes(values[0]), id,
		      (size_t)sqlite3_value_bytes(values[1]));
	if (sealed == NULL) {
		sqlite3_result_error(context, "there is no key to seal secrets with", -1);
	} else {
		sqlite3_result_text(context, sealed, -1, free);
	}
}

static void sql_open(sqlite3_context *context, int count, sqlite3_value **values)
{
	const char *text = (const char *)sqlite3_value_text(values[0]);
	const char *id = (const char *)sqlite3_value_text(values[1]);
	char *plain;

	(void)count;
	if (text == NULL || id == NULL || !is_sealed(text)) {
		sqlite3_result_value(context, values[0]);
		return;
	}
	plain = unseal(text, id, (size_t)sqlite3_value_bytes(values[1]));
	if (plain == NULL) {
		sqlite3_result_error(context, "a secret was not sealed by this key, or is damaged",
				     -1);
		sqlite3_result_error_code(context, SQLITE_CORRUPT); /* keeps the message */
	} else {
		sqlite3_result_text(context, plain, -1, free);
	}
}

int seal_register(sqlite3 *db, struct err *reterr)
{
	static const struct {
		const char *name;
		void (*fn)(sqlite3_context *context, int count, sqlite3_value **values);
	} functions[] = {{"narrowd_seal", sql_seal}, {"narrowd_open", sql_open}};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (sqlite3_create_function(db, functions[i].name, 2,
					    SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, functions[i].fn,
					    NULL, NULL) != SQLITE_OK) {
			return db_error(db, "preparing", reterr);
		}
	}
	return 0;
}

/* Whether something was sealed, and whether by this key. */
static int look_at_proof(sqlite3 *db, bool *ret_sealed, bool *ret_fits, struct err *reterr)
{
	int64_t there = 0;
	sqlite3_stmt *stmt;
	int rc = db_integer(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'seal'", &there,
			    reterr);

	*ret_sealed = *ret_fits = false;
	if (rc != 0 || there == 0) {
		return rc;
	}
	rc = db_prepare(db, "SELECT proof FROM seal", &stmt, reterr);
	if (rc == 0 && sqlite3_step(stmt) == SQLITE_ROW) {
		char *plain = unseal((const char *)sqlite3_column_text(stmt, 0), PROOF,
				     sizeof(PROOF) - 1);

		*ret_sealed = true;
		*ret_fits = plain != NULL;
		free(plain);
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}

static int read_key(const char *path, bool *ret_there, struct err *reterr)
{
	char text[BASE64_SIZE(KEY_BYTES) + 1] = "";
	unsigned char bytes[sizeof(text)];
	size_t length = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	ssize_t got;

	*ret_there = fd >= 0;
	if (fd < 0) {
		return errno == ENOENT ? 0
				       : err_set(reterr, ERR_CONFIG,
						 "the key of the secrets cannot be read: %s: %s",
						 path, strerror(errno));
	}
	got = read(fd, text, sizeof(text) - 1);
	if (fstat(fd, &status) == 0 && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		log_line(LOG_WARNING, "others can read the key of the secrets; chmod 600 ends that",
			 LOG_TEXT("path", path));
	}
	(void)close(fd);
	text[strcspn(text, "\n")] = '\0';
	has_key = got > 0 && strlen(text) < BASE64_SIZE(KEY_BYTES) &&
		  base64_decode(text, bytes, &length) && length == KEY_BYTES;
	if (has_key) {
		memcpy(key, bytes, sizeof(key));
	}
	explicit_bzero(text, sizeof(text));
	explicit_bzero(bytes, sizeof(bytes));
	return has_key ? 0
		       : err_set(reterr, ERR_CONFIG,
				 "%s is no key of narrowd's, which is 32 bytes in base 64", path);
}

/* On disk, with its name, before anything is sealed by it. */
static int make_key(const char *path, struct err *reterr)
{
	char text[BASE64_SIZE(KEY_BYTES) + 1];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, DB_FILE_MODE);
	size_t length;
	bool written;

	if (fd < 0 || getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key)) {
		return err_set(reterr, ERR_CONFIG, "cannot make the key of the secrets: %s: %s",
			       path, strerror(errno));
	}
	base64_encode(key, sizeof(key), text);
	length = strlen(text);
	text[length++] = '\n';
	written = write(fd, text, length) == (ssize_t)length && fsync(fd) == 0;
	(void)close(fd);
	explicit_bzero(text, sizeof(text));
	if (!written) {
		(void)unlink(path);
		return err_set(reterr, ERR_STORAGE, "cannot write the key of the secrets: %s: %s",
			       path, strerror(errno));
	}
	has_key = true;
	log_line(LOG_INFO,
		 "made a key for the secrets in the database: keep a copy of it elsewhere",
		 LOG_TEXT("path", path));
	return backup_sync_folder(path, reterr);
}

static int look_for_key(sqlite3 *db, const char *path, bool *ret_there, struct err *reterr)
{
	bool sealed, fits;
	int rc = read_key(path, ret_there, reterr);

	if (rc == 0) {
		rc = look_at_proof(db, &sealed, &fits, reterr);
	}
	if (rc != 0) {
		return rc;
	}
	if (!*ret_there && sealed) {
		return err_set(reterr, ERR_CONFIG,
			       "the key of the secrets in the database is not at %s: put it back "
			       "there, or say with key_file where it is",
			       path);
	}
	if (*ret_there && sealed && !fits) {
		return err_set(reterr, ERR_CONFIG,
			       "the key in %s is not the one that the secrets in the database were "
			       "sealed with: put that one there",
			       path);
	}
	return 0;
}

char *seal_make_proof(void)
{
	return seal_text(PROOF, PROOF);
}

int seal_share_key(const char *path, const char *proof, struct err *reterr)
{
	char *plain;
	bool there;
	int rc = read_key(path, &there, reterr);

	if (rc == 0 && !there) {
		return err_set(
			reterr, ERR_CONFIG,
			"the key of the secrets is not at %s: all daemons of a PostgreSQL "
			"database share one, so copy it there from one that runs, or say with "
			"key_file where it is",
			path);
	}
	plain = rc == 0 ? seal_open(proof, PROOF) : NULL;
	if (rc == 0 && plain == NULL) {
		rc = err_set(reterr, ERR_CONFIG,
			     "the key in %s is not the one that the daemons of this PostgreSQL "
			     "database seal secrets with: put that one there",
			     path);
	}
	free(plain);
	return rc;
}

int seal_look(sqlite3 *db, const char *path, struct err *reterr)
{
	bool there;

	return look_for_key(db, path, &there, reterr);
}

int seal_take_key(sqlite3 *db, const char *path, struct err *reterr)
{
	bool there;
	int rc = look_for_key(db, path, &there, reterr);

	return rc == 0 && !there ? make_key(path, reterr) : rc;
}

int seal_prove(sqlite3 *db, struct err *reterr)
{
	return db_exec(db,
		       "INSERT INTO seal (id, proof) SELECT 1, narrowd_seal('" PROOF "', '" PROOF
		       "') WHERE NOT EXISTS (SELECT 1 FROM seal)",
		       reterr);
}
