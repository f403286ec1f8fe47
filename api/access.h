/*
 * Access: who a request comes from, and what that one may do.
 *
 * A token says so, in the Authorization header or in the cookie of the page. Without one, on listeners
 * that need none, everybody is the admin of the owner "local"; so is, on a unix socket, whoever runs
 * the daemon, and root.
 */
#ifndef NARROWD_API_ACCESS_H
#define NARROWD_API_ACCESS_H

#include "api/http/http.h"
#include "api/ledger.h"
#include "base/buf.h"
#include "base/map.h"

#define ACCESS_COOKIE "narrowd_token"

struct access {
	struct ledger *ledger; /* borrowed */
	bool required;         /* a token is, on every listener with an address */
	struct map addresses;  /* -> struct failures *, owned: who tried wrong tokens lately */
};

struct identity {
	bool known; /* else only what needs no token is open */
	char owner[LIMIT_OWNER_BYTES + 1];
	unsigned scopes;
	json_t *pools;       /* that a worker is bound to, or NULL; owned */
	char token[ID_SIZE]; /* its id; "" without one */
};

void access_init(struct access *access, struct ledger *ledger, bool required);
void access_finish(struct access *access);

/* Fills `ret` in either case; identity_finish() it. 0, also for somebody unknown who shows nothing;
 * -ERR_UNAUTHORIZED for a token that is not in force, -ERR_TOO_MANY after too many of them, -ERR_FORBIDDEN
 * for a cookie that may come from another page. */
int access_identify(struct access *access, const struct request *request, struct identity *ret,
		    struct err *reterr);
void identity_finish(struct identity *who);
/* What of the request says who sends it, as the value of an Authorization header; false when nothing does. */
bool access_pass_on(const struct request *request, struct buf *ret);
/* The token's text lets in: 0 and `ret`, else -ERR_UNAUTHORIZED or -ERR_TOO_MANY. */
int access_log_in(struct access *access, const struct request *request, const char *text,
		  struct identity *ret, struct err *reterr);

/* 0, -ERR_UNAUTHORIZED or -ERR_FORBIDDEN. */
int access_may(const struct identity *who, enum scope scope, struct err *reterr);
/* Whether what let them in is still in force. */
bool access_holds(const struct access *access, const struct identity *who);
/* Whose things they may see and use: an owner's, or (NULL) everybody's. */
const char *access_only(const struct identity *who);
/* Whether they may work for this pool. */
bool access_works_for(const struct identity *who, const char *pool);
/* Whether they are asked of everybody's jobs, and not of their owner's alone. */
bool access_every_owner(const struct identity *who);

#endif
