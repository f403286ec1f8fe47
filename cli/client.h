/*
 * The command line's HTTP client: one request after the other, each waited for.
 *
 * The only place of cli/ that knows backends/fetch.h. Every POST carries an Idempotency-Key and is
 * sent a second time when the connection broke, which therefore cannot do harm.
 */
#ifndef NARROWD_CLI_CLIENT_H
#define NARROWD_CLI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct client {
	char *url;               /* the server's, without a slash at the end */
	char *unix_path;         /* NULL: TCP */
	char *authorization;     /* the header's value, or NULL */
	const char *ca;          /* PEM, instead of the system's authorities, borrowed; or NULL */
	void (*tick)(void *arg); /* called about every second while waiting; or NULL */
	void *tick_arg;
	uint64_t timeout_ms; /* of a request; 0: long enough for the slowest */
	bool final;          /* the last call failed, and another try cannot help */
	bool foreign; /* the last call failed as with who speaks TLS where it is not wanted, or the other way round */
	bool settled;    /* somebody has answered in HTTP, or was asked in the other way already */
	const char *key; /* the Idempotency-Key of POSTs, borrowed; NULL: each has its own */
};

struct client_reply {
	int status;
	char *body; /* NUL-terminated, never NULL */
	size_t length;
	char *etag;             /* "" when absent */
	int64_t retry_after_ms; /* -1 when absent */
	int64_t date_ms;        /* the server's clock, likewise */
};

/* `server` is "HOST:PORT", "http://HOST:PORT", "https://..." or "unix:PATH"; `token` may be NULL. Both are
 * copied. ERR_USAGE when one cannot be used; client_finish() is right in either case. */
int client_init(struct client *client, const char *server, const char *token, struct err *reterr);
void client_finish(struct client *client);

/*
 * 0 when an HTTP answer came, whatever its status; the caller owns it: client_reply_finish().
 * Otherwise nobody who speaks HTTP was reached. `path` begins with a slash and is escaped already;
 * `body` is JSON or NULL.
 */
int client_call(struct client *client, const char *method, const char *path, const char *body,
		struct client_reply *ret_reply, struct err *reterr);
/* A GET that waits on the server until the document is no longer the one with this ETag, or some
 * seconds: then the status is 304. An empty `etag` does not wait. */
int client_wait(struct client *client, const char *path, const char *etag,
		struct client_reply *ret_reply, struct err *reterr);
void client_reply_finish(struct client_reply *reply);
/* Whether it is of no use to ask again after a call that failed with `err`: who is there has the wrong certificate, or is to be
 * asked with or without TLS, which is added to the message then. The latter is tried once, at the same port. */
bool client_is_futile(struct client *client, struct err *err);

/* `text` with everything but letters, digits, "-" and "_" percent-encoded; the caller frees. */
char *client_escape(const char *text);

#endif
