/*
 * Sealing: what must not be read from the file, its copies or a backup is stored encrypted, with AES-256-GCM and a key
 * that stands in a file of its own. As SQL:
 *
 *	narrowd_seal(text, id)   the text, sealed; bound to the id, so that rows cannot be exchanged
 *	narrowd_open(text, id)   the opposite; a text that was never sealed stays what it is
 *
 * The key is the process's, and is taken before other threads run.
 */
#ifndef NARROWD_STORE_SEAL_H
#define NARROWD_STORE_SEAL_H

#include <sqlite3.h>

#include "base/err.h"

/* The same for what is kept elsewhere. NULL without a key, and when it is not what this key has sealed for the
 * id. The caller frees. */
char *seal_text(const char *text, const char *id);
char *seal_open(const char *text, const char *id);

int seal_register(sqlite3 *db, struct err *reterr);
/*
 * Reads the key of the database from the file `path`, or makes one there (0600) when nothing has been sealed yet. ERR_CONFIG
 * when it is missing, or not the one that sealed what is in the database.
 */
int seal_take_key(sqlite3 *db, const char *path, struct err *reterr);
/* What others prove with seal_make_proof() that they have the same key. The caller frees; NULL without a key. */
char *seal_make_proof(void);
/* Reads the key from the file, which must be there and be that of the proof. ERR_CONFIG. */
int seal_share_key(const char *path, const char *proof, struct err *reterr);
/* As seal_take_key(), but makes none. */
int seal_look(sqlite3 *db, const char *path, struct err *reterr);
/* Remembers in the database which key it is, unless it does so already. */
int seal_prove(sqlite3 *db, struct err *reterr);

#endif
