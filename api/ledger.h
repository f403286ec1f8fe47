/*
 * The ledger: every token that is in force, in memory, as the store has it.
 *
 * A token is 256 random bits, shown once; what is kept of it is its SHA-256. Those that were revoked
 * or have expired are forgotten here at once and only listed by the store.
 */
#ifndef NARROWD_API_LEDGER_H
#define NARROWD_API_LEDGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "backends/hash.h"
#include "base/id.h"
#include "base/limits.h"
#include "store/store.h"

enum scope {
	SCOPE_READ = 1,
	SCOPE_SUBMIT = 2,
	SCOPE_WORK = 4,
	SCOPE_METRICS = 8,
	SCOPE_ADMIN = 16, /* all of them, and everybody's things */
	/* Of routes alone. */
	SCOPE_ANY = 31, /* whoever is known */
	SCOPE_NONE = 0, /* anybody */
};

/* "nrw_" and 43 characters of base64url. */
enum { TOKEN_LENGTH = 47, TOKEN_SIZE };

struct token {
	char id[ID_SIZE];
	char digest[HASH_SHA256_HEX_SIZE];
	char owner[LIMIT_OWNER_BYTES + 1];
	unsigned scopes;    /* bits of enum scope */
	json_t *pools;      /* those that a worker is bound to, or NULL; owned */
	int64_t expires_ms; /* wall clock; 0: never */
	int64_t used_ms;    /* as the store knows it */
};

struct ledger;

/* Reads all that are in force; blocks. */
struct ledger *ledger_create(struct store *store, struct err *reterr);
/* From now on it has those that another daemon makes or ends, until ledger_unfollow(), which is harmless without. */
void ledger_follow(struct ledger *ledger);
void ledger_unfollow(struct ledger *ledger);
void ledger_destroy(struct ledger *ledger);
size_t ledger_count(const struct ledger *ledger);

/* Whether the text has the form of a token. */
bool ledger_is_token(const char *text);
/* The token of this text, borrowed until the next call that changes the ledger; NULL when there is
 * none in force. It counts as used. */
const struct token *ledger_find(struct ledger *ledger, const char *text);
/* Whether the token with this id is still in force. */
bool ledger_has(struct ledger *ledger, const char *id);

/* The names of scopes, each once. New reference. */
json_t *ledger_scopes(unsigned bits);

/* The document of the new token, borrowed, with its text as "token"; NULL with err. */
typedef void (*ledger_made_fn)(void *arg, const json_t *document, const struct err *err);
/* Faults of {"name", "owner", "scopes", "pools", "expires_in_s"}, all of them: 0 or -ERR_INVALID_FIELD. */
int ledger_check(json_t *body, struct err *reterr);
/* Makes the token of a body that was checked. It is in force when it is on disk. The key (may be NULL)
 * keeps the answer without the token's text. */
void ledger_issue(struct ledger *ledger, const json_t *body, const struct store_key *key,
		  ledger_made_fn made, void *arg);
/* From now on nobody is let in by it; `done` comes when that is on disk. ERR_NOT_FOUND. */
void ledger_revoke(struct ledger *ledger, const char *id, store_done_fn done, void *arg);

#endif
