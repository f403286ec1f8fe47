/* Makes, checks and finds tokens; what is stored of one is its digest. */
#include "api/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/secret.h"
#include "job/spec/spec.h"
#include "store/query.h"

#define PREFIX         "nrw_"
#define BASE64URL      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define OWNER_ALPHABET "abcdefghijklmnopqrstuvwxyz0123456789._-"

enum { RANDOM_BYTES = 32, PREFIX_LENGTH = sizeof(PREFIX) - 1 };

/* What is written of the last use may be this old. */
static const int64_t use_step_ms = 60000;

static const int64_t max_expires_s = INT64_C(100) * 366 * 86400;

static const struct {
	const char *name;
	enum scope scope;
} scopes[] = {{"read", SCOPE_READ},
	      {"submit", SCOPE_SUBMIT},
	      {"work", SCOPE_WORK},
	      {"metrics", SCOPE_METRICS},
	      {"admin", SCOPE_ADMIN}};

enum { SCOPES = sizeof(scopes) / sizeof(scopes[0]) };

struct ledger {
	struct store *store;
	struct map by_digest;      /* -> struct token *, owned */
	struct map by_id;          /* the same */
	struct store_watch *watch; /* while it follows, or NULL */
};

/* A token on its way to the disk. */
struct issue {
	struct ledger *ledger;
	struct token *token;
	json_t *document;
	ledger_made_fn made;
	void *arg;
};

static unsigned scope_of(const char *name)
{
	for (int i = 0; name != NULL && i < SCOPES; i++) {
		if (strcmp(scopes[i].name, name) == 0) {
			return scopes[i].scope;
		}
	}
	return 0;
}

static unsigned scopes_of(const json_t *list)
{
	unsigned bits = 0;
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		bits |= scope_of(json_string_value(item));
	}
	return bits;
}

static void destroy_token(struct token *token)
{
	json_decref(token->pools);
	free(token);
}

static void keep(struct ledger *ledger, struct token *token)
{
	map_set(&ledger->by_digest, token->digest, (intptr_t)token);
	map_set(&ledger->by_id, token->id, (intptr_t)token);
}

static void forget(struct ledger *ledger, struct token *token)
{
	map_remove(&ledger->by_digest, token->digest);
	map_remove(&ledger->by_id, token->id);
	destroy_token(token);
}

static struct token *token_by(const struct map *map, const char *key)
{
	return (struct token *)map_get(map, key, 0); /* NOLINT */
}

static void on_row(void *arg, char *const *cells)
{
	struct token *token = mem_new(1, sizeof(*token));
	json_t *list = json_loads(cells[3], 0, NULL);

	(void)snprintf(token->id, sizeof(token->id), "%s", cells[0]);
	(void)snprintf(token->digest, sizeof(token->digest), "%s", cells[1]);
	(void)snprintf(token->owner, sizeof(token->owner), "%s", cells[2]);
	token->scopes = scopes_of(list);
	token->pools = cells[4] != NULL ? json_loads(cells[4], 0, NULL) : NULL;
	token->expires_ms = cells[5] != NULL ? strtoll(cells[5], NULL, 10) : 0;
	json_decref(list);
	keep(arg, token);
}

struct ledger *ledger_create(struct store *store, struct err *reterr)
{
	struct ledger *ledger = mem_new(1, sizeof(*ledger));

	ledger->store = store;
	map_init(&ledger->by_digest);
	map_init(&ledger->by_id);
	if (store_query_now(store, QUERY_LIVE_TOKENS, NULL, 0, on_row, ledger, reterr) != 0) {
		ledger_destroy(ledger);
		return NULL;
	}
	return ledger;
}

static void clear(struct ledger *ledger)
{
	for (size_t i = 0; i < ledger->by_id.capacity; i++) {
		if (ledger->by_id.slots[i].key != NULL) {
			destroy_token((struct token *)ledger->by_id.slots[i].value); /* NOLINT */
		}
	}
	map_finish(&ledger->by_digest);
	map_finish(&ledger->by_id);
}

static void on_changed(void *arg)
{
	struct ledger *ledger = arg;
	struct err err ERR_UNCLEARED;

	clear(ledger);
	map_init(&ledger->by_digest);
	map_init(&ledger->by_id);
	if (store_query_now(ledger->store, QUERY_LIVE_TOKENS, NULL, 0, on_row, ledger, &err) != 0) {
		log_line(LOG_ERROR, "the tokens cannot be read; nobody is let in by one",
			 LOG_TEXT("detail", err.message));
	}
	ledger_follow(ledger);
}

void ledger_follow(struct ledger *ledger)
{
	ledger->watch = store_watch(ledger->store, STORE_TOKENS, on_changed, ledger);
}

void ledger_unfollow(struct ledger *ledger)
{
	store_unwatch(ledger->watch);
	ledger->watch = NULL;
}

void ledger_destroy(struct ledger *ledger)
{
	if (ledger != NULL) {
		clear(ledger);
		free(ledger);
	}
}

size_t ledger_count(const struct ledger *ledger)
{
	return ledger->by_id.count;
}

bool ledger_is_token(const char *text)
{
	return strncmp(text, PREFIX, PREFIX_LENGTH) == 0 && strlen(text) == TOKEN_LENGTH &&
	       strspn(text + PREFIX_LENGTH, BASE64URL) == TOKEN_LENGTH - PREFIX_LENGTH;
}

/* Once it was seen after its end it has ended, whatever the clock says later. */
static bool is_over(struct ledger *ledger, struct token *token, int64_t now)
{
	if (token->expires_ms == 0 || now < token->expires_ms) {
		return false;
	}
	store_token_end(ledger->store, token->id, token->expires_ms, NULL, NULL);
	forget(ledger, token);
	return true;
}

const struct token *ledger_find(struct ledger *ledger, const char *text)
{
	char digest[HASH_SHA256_HEX_SIZE];
	int64_t now = clock_wall_ms();
	struct token *token;

	if (!ledger_is_token(text)) {
		return NULL;
	}
	hash_sha256_hex(text, TOKEN_LENGTH, digest);
	token = token_by(&ledger->by_digest, digest);
	if (token == NULL ||
	    !secret_equal(token->digest, strlen(token->digest), digest, strlen(digest)) ||
	    is_over(ledger, token, now)) {
		return NULL;
	}
	if (now - token->used_ms >= use_step_ms) {
		token->used_ms = now;
		store_token_used(ledger->store, token->id, now);
	}
	return token;
}

bool ledger_has(struct ledger *ledger, const char *id)
{
	struct token *token = token_by(&ledger->by_id, id);

	return token != NULL && !is_over(ledger, token, clock_wall_ms());
}

static void check_scopes(const struct json_at *at)
{
	if (!json_required(at) || !json_is_array_at(at, SCOPES)) {
		return;
	}
	if (json_array_size(at->value) == 0) {
		(void)json_fault(
			at, "at least one scope is needed: read, submit, work, metrics or admin");
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);
		const char *name =
			json_required(&item) ? json_string_in(&item, NULL, LIMIT_NAME_BYTES) : NULL;

		if (name != NULL && scope_of(name) == 0) {
			(void)json_fault(&item,
					 "there is no scope \"%.80s\": it is one of read, "
					 "submit, work, metrics and admin",
					 name);
		}
	}
}

static void check_pools(const struct json_at *at, unsigned given)
{
	if (at->value == NULL || json_is_null(at->value) ||
	    !json_is_array_at(at, LIMIT_TOKEN_POOLS)) {
		return;
	}
	if (json_array_size(at->value) == 0) {
		(void)json_fault(at, "at least one pool is needed, or leave it out");
	}
	if ((given & SCOPE_WORK) == 0) {
		(void)json_fault(at, "only a token with the scope work can be bound to pools");
	}
	for (size_t i = 0; i < json_array_size(at->value); i++) {
		struct json_at item = json_item(at, i);

		(void)spec_pool_read(&item);
	}
}

static void check_owner(const struct json_at *at)
{
	const char *owner = json_string_in(at, NULL, LIMIT_OWNER_BYTES);

	if (owner != NULL && (owner[0] == '\0' || owner[strspn(owner, OWNER_ALPHABET)] != '\0')) {
		(void)json_fault(at, "an owner is 1 to %d of a-z, 0-9, \".\", \"_\" and \"-\"",
				 LIMIT_OWNER_BYTES);
	}
}

int ledger_check(json_t *body, struct err *reterr)
{
	static const char *const members[] = {"name",  "owner",        "scopes",
					      "pools", "expires_in_s", NULL};
	struct json_at at = json_root(body, reterr);
	struct json_at name = json_member(&at, "name");
	struct json_at owner = json_member(&at, "owner");
	struct json_at list = json_member(&at, "scopes");
	struct json_at pools = json_member(&at, "pools");
	struct json_at expires = json_member(&at, "expires_in_s");

	err_init(reterr);
	if (json_is_object_at(&at)) {
		json_only(&at, members);
		(void)json_string_in(&name, NULL, LIMIT_NAME_BYTES);
		check_owner(&owner);
		check_scopes(&list);
		check_pools(&pools, scopes_of(list.value));
		(void)json_int(&expires, 1, 1, max_expires_s);
	}
	return -(int)reterr->code;
}

/* `ret` has TOKEN_SIZE bytes. */
static void make_text(char *ret)
{
	unsigned char random[RANDOM_BYTES];
	char digits[BASE64_SIZE(RANDOM_BYTES)];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		abort();
	}
	base64_encode(random, sizeof(random), digits);
	for (char *c = digits; *c != '\0'; c++) {
		if (*c == '+') {
			*c = '-';
		} else if (*c == '/') {
			*c = '_';
		}
	}
	(void)snprintf(ret, TOKEN_SIZE, PREFIX "%.43s", digits);
	explicit_bzero(random, sizeof(random));
	explicit_bzero(digits, sizeof(digits));
}

static json_t *time_or_null(int64_t wall_ms)
{
	char text[CLOCK_TEXT_SIZE];

	return wall_ms > 0 ? json_string(clock_format(wall_ms, text)) : json_null();
}

static struct token *make_token(const json_t *body, const char *text, int64_t now)
{
	struct token *token = mem_new(1, sizeof(*token));
	const json_t *owner = json_object_get(body, "owner");
	json_t *pools = json_object_get(body, "pools");
	int64_t seconds = json_integer_value(json_object_get(body, "expires_in_s"));

	id_make(token->id, "tok_");
	hash_sha256_hex(text, TOKEN_LENGTH, token->digest);
	(void)snprintf(token->owner, sizeof(token->owner), "%s",
		       json_is_string(owner) ? json_string_value(owner) : STORE_LOCAL);
	token->scopes = scopes_of(json_object_get(body, "scopes"));
	token->pools = json_is_array(pools) ? json_incref(pools) : NULL;
	token->expires_ms = seconds > 0 ? now + seconds * 1000 : 0;
	return token;
}

json_t *ledger_scopes(unsigned bits)
{
	json_t *list = json_array();

	for (int i = 0; i < SCOPES; i++) {
		if ((bits & (unsigned)scopes[i].scope) != 0) {
			(void)json_array_append_new(list, json_string(scopes[i].name));
		}
	}
	return list;
}

/* As the store lists it. New reference. */
static json_t *document_of(const struct token *token, const json_t *body, int64_t now)
{
	return json_pack("{s:s, s:O?, s:s, s:o, s:O?, s:o, s:o, s:n, s:n}", "id", token->id, "name",
			 json_object_get(body, "name"), "owner", token->owner, "scopes",
			 ledger_scopes(token->scopes), "pools", token->pools, "created_at",
			 time_or_null(now), "expires_at", time_or_null(token->expires_ms),
			 "revoked_at", "last_used_at");
}

/* What is stored. The caller frees. */
static char *row_of(const struct token *token, const json_t *document, int64_t now)
{
	json_t *row = json_copy((json_t *)document);
	char *text;

	(void)json_object_set_new(row, "digest", json_string(token->digest));
	(void)json_object_set_new(row, "created_at", json_integer(now));
	(void)json_object_set_new(row, "expires_at",
				  token->expires_ms > 0 ? json_integer(token->expires_ms)
							: json_null());
	text = json_text(row);
	json_decref(row);
	return text;
}

static void on_stored(void *arg, int rc, const struct err *err)
{
	struct issue *issue = arg;

	if (rc == 0) {
		keep(issue->ledger, issue->token);
	} else {
		destroy_token(issue->token);
	}
	issue->made(issue->arg, rc == 0 ? issue->document : NULL, err);
	json_decref(issue->document);
	free(issue);
}

void ledger_issue(struct ledger *ledger, const json_t *body, const struct store_key *key,
		  ledger_made_fn made, void *arg)
{
	struct issue *issue = mem_new(1, sizeof(*issue));
	struct store_key kept = key != NULL ? *key : (struct store_key){0};
	int64_t now = clock_wall_ms();
	char text[TOKEN_SIZE], *row, *answer;

	make_text(text);
	*issue = (struct issue){.ledger = ledger, .made = made, .arg = arg};
	issue->token = make_token(body, text, now);
	issue->document = document_of(issue->token, body, now);
	row = row_of(issue->token, issue->document, now);
	(void)json_object_set_new(issue->document, "token", json_null());
	kept.body = answer = json_text(issue->document);
	(void)json_object_set_new(issue->document, "token", json_string(text));
	store_token_put(ledger->store, issue->token->id, row, key != NULL ? &kept : NULL, on_stored,
			issue);
	explicit_bzero(text, sizeof(text));
	free(answer);
	free(row);
}

void ledger_revoke(struct ledger *ledger, const char *id, store_done_fn done, void *arg)
{
	struct token *token = token_by(&ledger->by_id, id);

	if (token != NULL) {
		forget(ledger, token);
	}
	store_token_end(ledger->store, id, clock_wall_ms(), done, arg);
}
