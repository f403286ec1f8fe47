/* Finds out who sends a request, by token, cookie or socket, and slows down those who guess. */
#include "api/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
	ADDRESSES_MAX = 4096,
	CREDENTIAL_SIZE = 256, /* what is longer is no token */
};

static const int64_t window_ms = 60000;

/* Wrong tokens that one address has sent since then. */
struct failures {
	int64_t since_ms; /* monotonic */
	int count;
};

enum credential_kind { NO_CREDENTIAL, BY_HEADER, BY_COOKIE };

struct credential {
	enum credential_kind kind;
	char text[CREDENTIAL_SIZE]; /* "" when it cannot be a token */
};

void access_init(struct access *access, struct ledger *ledger, bool required)
{
	access->ledger = ledger;
	access->required = required;
	map_init(&access->addresses);
}

static void forget_addresses(struct access *access)
{
	for (size_t i = 0; i < access->addresses.capacity; i++) {
		if (access->addresses.slots[i].key != NULL) {
			free((struct failures *)access->addresses.slots[i].value); /* NOLINT */
		}
	}
	map_finish(&access->addresses);
	map_init(&access->addresses);
}

void access_finish(struct access *access)
{
	forget_addresses(access);
	map_finish(&access->addresses);
}

void identity_finish(struct identity *who)
{
	json_decref(who->pools);
	who->pools = NULL;
}

static void set_text(struct credential *credential, const char *text, size_t length)
{
	if (length < CREDENTIAL_SIZE) {
		memcpy(credential->text, text, length);
		credential->text[length] = '\0';
	}
}

/* Clients of SigOpt send the token as the name of a user without a password. */
static void read_basic(struct credential *credential, const char *digits)
{
	unsigned char plain[CREDENTIAL_SIZE];
	size_t length = 0;

	if (strlen(digits) < CREDENTIAL_SIZE && base64_decode(digits, plain, &length)) {
		set_text(credential, (const char *)plain,
			 length - (length > 0 && plain[length - 1] == ':' ? 1 : 0));
	}
}

static void read_header(struct credential *credential, const char *value, bool basic)
{
	credential->kind = BY_HEADER;
	if (strncasecmp(value, "Bearer ", 7) == 0) {
		set_text(credential, value + 7, strlen(value + 7));
	} else if (basic && strncasecmp(value, "Basic ", 6) == 0) {
		read_basic(credential, value + 6);
	}
}

/* RFC 6265: NAME=VALUE, separated by "; ". */
static void read_cookie(struct credential *credential, const char *cookies)
{
	static const char name[] = ACCESS_COOKIE "=";

	for (const char *at = cookies; at != NULL && *at != '\0';) {
		size_t length = strcspn(at, ";");

		if (strncmp(at, name, sizeof(name) - 1) == 0) {
			credential->kind = BY_COOKIE;
			set_text(credential, at + sizeof(name) - 1, length - (sizeof(name) - 1));
			return;
		}
		at += length;
		at += strspn(at, "; ");
	}
}

static void read_credential(const struct request *request, struct credential *ret)
{
	const char *authorization = request_header(request, "Authorization");

	*ret = (struct credential){.kind = NO_CREDENTIAL};
	if (authorization != NULL) {
		read_header(ret, authorization,
			    strncmp(request_path(request), "/sigopt/", strlen("/sigopt/")) == 0);
	} else {
		read_cookie(ret, request_header(request, "Cookie"));
	}
}

static void become(struct identity *who, const struct token *token)
{
	who->known = true;
	memcpy(who->owner, token->owner, sizeof(who->owner));
	memcpy(who->token, token->id, sizeof(who->token));
	who->scopes = token->scopes;
	who->pools = json_incref(token->pools);
}

static void become_local(struct identity *who)
{
	who->known = true;
	(void)snprintf(who->owner, sizeof(who->owner), "%s", STORE_LOCAL);
	who->scopes = SCOPE_ADMIN;
}

/* One more wrong token of this address within the minute; whether it was one too many. */
static bool too_many(struct access *access, const char *address)
{
	struct failures *failures =
		(struct failures *)map_get(&access->addresses, address, 0); /* NOLINT */
	int64_t now = clock_mono_ms();

	if (failures == NULL) {
		if (access->addresses.count >= ADDRESSES_MAX) {
			forget_addresses(access);
		}
		failures = mem_new(1, sizeof(*failures));
		failures->since_ms = now;
		map_set(&access->addresses, address, (intptr_t)failures);
	} else if (now - failures->since_ms >= window_ms) {
		*failures = (struct failures){.since_ms = now};
	}
	if (++failures->count == LIMIT_TOKEN_FAILURES + 1) { /* once a minute */
		log_line(LOG_WARNING, "too many wrong tokens", LOG_TEXT("address", address));
	}
	return failures->count > LIMIT_TOKEN_FAILURES;
}

/* One sentence for tokens that never were and those that are no more. */
static int refuse(struct access *access, const struct http_peer *peer, struct err *reterr)
{
	if (!peer->is_unix && too_many(access, peer->address)) {
		return err_set(reterr, ERR_TOO_MANY,
			       "more than %d wrong tokens came from this address within a minute",
			       LIMIT_TOKEN_FAILURES);
	}
	return err_set(reterr, ERR_UNAUTHORIZED,
		       "this token is not in force: it is unknown, expired or revoked");
}

/* A browser sends a cookie along with whatever some page makes it do; only our own page says so. */
static int check_cookie(const struct request *request, const struct credential *credential,
			struct err *reterr)
{
	if (credential->kind != BY_COOKIE || strcmp(request_method(request), "GET") == 0 ||
	    request_header(request, "Origin") != NULL) {
		return 0;
	}
	return err_set(reterr, ERR_FORBIDDEN,
		       "a request that changes something by a cookie needs its page's Origin");
}

static bool needs_no_token(const struct access *access, const struct http_peer *peer)
{
	return peer->is_unix ? peer->uid == (int64_t)geteuid() || peer->uid == 0
			     : !access->required;
}

int access_identify(struct access *access, const struct request *request, struct identity *ret,
		    struct err *reterr)
{
	struct credential credential;
	struct http_peer peer;
	const struct token *token;
	bool open;

	*ret = (struct identity){.known = false};
	request_peer(request, &peer);
	read_credential(request, &credential);
	open = needs_no_token(access, &peer);
	token = ledger_find(access->ledger, credential.text);
	if (token != NULL) {
		become(ret, token);
		return check_cookie(request, &credential, reterr);
	}
	/* Where none is needed only what looks like one has to be one. */
	if (open && (credential.kind != BY_HEADER || !ledger_is_token(credential.text))) {
		become_local(ret);
		return 0;
	}
	return credential.kind == NO_CREDENTIAL ? 0 : refuse(access, &peer, reterr);
}

bool access_pass_on(const struct request *request, struct buf *ret)
{
	const char *authorization = request_header(request, "Authorization");
	struct credential credential;

	read_credential(request, &credential);
	if (credential.kind == BY_COOKIE) {
		buf_printf(ret, "Bearer %s", credential.text);
	} else if (authorization != NULL) {
		buf_text(ret, authorization);
	}
	return ret->length > 0;
}

int access_log_in(struct access *access, const struct request *request, const char *text,
		  struct identity *ret, struct err *reterr)
{
	const struct token *token = ledger_find(access->ledger, text);
	struct http_peer peer;

	*ret = (struct identity){.known = false};
	if (token != NULL) {
		become(ret, token);
		return 0;
	}
	request_peer(request, &peer);
	return refuse(access, &peer, reterr);
}

int access_may(const struct identity *who, enum scope scope, struct err *reterr)
{
	static const struct {
		enum scope scope;
		const char *name;
	} names[] = {{SCOPE_READ, "read"},
		     {SCOPE_SUBMIT, "submit"},
		     {SCOPE_WORK, "work"},
		     {SCOPE_METRICS, "metrics"},
		     {SCOPE_ADMIN, "admin"}};
	const char *name = "";

	if (scope == SCOPE_NONE ||
	    (who->known && (who->scopes & (unsigned)(scope | SCOPE_ADMIN)) != 0)) {
		return 0;
	}
	if (!who->known) {
		return err_set(reterr, ERR_UNAUTHORIZED,
			       "a token is needed: send Authorization: Bearer nrw_...");
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		name = names[i].scope == scope ? names[i].name : name;
	}
	return err_set(reterr, ERR_FORBIDDEN, "this needs a token with the scope %s", name);
}

bool access_holds(const struct access *access, const struct identity *who)
{
	return who->token[0] == '\0' || ledger_has(access->ledger, who->token);
}

const char *access_only(const struct identity *who)
{
	return (who->scopes & SCOPE_ADMIN) != 0 ? NULL : who->owner;
}

bool access_works_for(const struct identity *who, const char *pool)
{
	const json_t *item;
	size_t i;

	if (who->pools == NULL || (who->scopes & SCOPE_ADMIN) != 0) {
		return true;
	}
	json_array_foreach(who->pools, i, item) {
		if (strcmp(json_string_value(item), pool) == 0) {
			return true;
		}
	}
	return false;
}

bool access_every_owner(const struct identity *who)
{
	return who->pools != NULL || (who->scopes & SCOPE_ADMIN) != 0;
}
