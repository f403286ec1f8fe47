/*
 * Secrets that the operator keeps in files, each under a name: what users and the database know of
 * them is the name. Under systemd these are its credentials.
 *
 * Read anew at every use, so that a secret is changed by replacing its file.
 */
#ifndef NARROWD_BACKENDS_CREDENTIAL_H
#define NARROWD_BACKENDS_CREDENTIAL_H

#include "base/err.h"
#include "base/secret.h"

enum { CREDENTIAL_NAME_BYTES = 128, CREDENTIAL_BYTES = 4096 };

/* Opens the directory of the files, for the life of the process and before any thread starts. NULL or "" for none.
 * ERR_CONFIG when it cannot be opened. */
int credential_open_directory(const char *path, struct err *reterr);
/*
 * What the file contains, without the newline at its end, as sign_secret_parse() reads it. A name has letters,
 * digits, ".", "_" and "-" and does not begin with ".". ERR_INVALID_FIELD says what is wrong; `ret` is to be finished
 * either way. Any thread.
 */
int credential_read(const char *name, struct secret *ret, struct err *reterr);
/* The same, as it is, of up to `max` bytes, and a NUL after them. */
int credential_text(const char *name, size_t max, struct secret *ret, struct err *reterr);

#endif
