/*
 * One bounded HTTP request at a time to somebody we do not trust: libcurl's multi interface in our
 * loop, with every limit that keeps a hostile or broken peer from hurting us.
 *
 * Names are resolved on threads of our own, every address is put to the guard, and the one that
 * passed is pinned for the connection. No redirects, proxies, cookies, credentials from files,
 * content encodings. All functions are for the loop thread.
 */
#ifndef NARROWD_BACKENDS_FETCH_H
#define NARROWD_BACKENDS_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/fetch_header.h"
#include "backends/guard.h"
#include "base/err.h"
#include "base/loop.h"

struct fetch;
struct fetch_call;

struct fetch_options {
	size_t max_total; /* connections at once */
	size_t max_per_host;
	const char *user_agent;
};

struct fetch_request {
	const char *method; /* "GET", "POST", "PATCH", "DELETE" */
	const char *url;
	const char *path; /* "/evaluate": joined to the path of `url`, before its query; or NULL */
	const char *unix_path;              /* connect there instead of the URL's host; or NULL */
	const struct fetch_header *headers; /* borrowed for the length of fetch_start() */
	size_t header_count;
	const char *ca;   /* PEM, instead of the system's authorities; copied; NULL for those */
	const char *body; /* copied; NULL for none */
	size_t body_length;
	uint64_t connect_timeout_ms;
	uint64_t timeout_ms; /* > 0; from start to the last byte, resolving included */
	size_t max_reply;
	bool once; /* on a connection of its own, and so never sent again by itself; it is closed then */
};

struct fetch_reply {
	int rc; /* 0 when a complete HTTP answer came, whatever its status; else negative err_code */
	bool retryable; /* for rc != 0: whether another try could help */
	bool sent;      /* for rc != 0: whether the peer may have seen the request */
	bool foreign; /* for rc != 0: whether the peer may speak with TLS where we did not, or without it where we did */
	struct err err; /* for rc != 0 */
	int status;
	const char *content_type; /* borrowed, "" when absent */
	const char *etag;         /* borrowed, "" when absent */
	const char *body;         /* borrowed, NUL-terminated */
	size_t length;
	int64_t retry_after_ms; /* -1 when absent; seconds and HTTP dates are understood */
	int64_t date_ms;        /* the peer's clock, to the second; -1 when absent */
	uint64_t elapsed_ms;
	void *engine; /* for fetch_reply_header() */
};

typedef void (*fetch_fn)(void *arg, const struct fetch_reply *reply);

/* curl_global_init() is called here: create before any thread starts. `guard` is borrowed; NULL
 * allows every address (for the command line, whose user chose the URL). */
struct fetch *fetch_create(struct loop *loop, const struct guard *guard,
			   const struct fetch_options *options, struct err *reterr);
/* No request may be started from now on. Cancels what is open without calling back, then calls done(arg) once. */
void fetch_stop(struct fetch *fetch, loop_fn done, void *arg);
void fetch_destroy(struct fetch *fetch);
/* Of curl, as it runs. */
const char *fetch_engine_version(void);

/*
 * Never calls fn from inside; calls it exactly once unless cancelled. A request that cannot be made
 * (URL denied, control characters in a header) is told by fn like every other failure. A request
 * that meets a reused connection which the peer has closed meanwhile is sent once more, which is
 * right only for a peer who knows repetitions when he sees them.
 */
struct fetch_call *fetch_start(struct fetch *fetch, const struct fetch_request *request,
			       fetch_fn fn, void *arg);
/* The headers of a complete answer one after the other; *at is NULL to begin with, the engine's then. False behind the
 * last. What `ret` borrows lives as long as the reply. */
bool fetch_reply_header(const struct fetch_reply *reply, void **at, struct fetch_header *ret);
/* Whether no request is under way. */
bool fetch_is_idle(const struct fetch *fetch);
/* No callback afterwards. */
void fetch_cancel(struct fetch_call *call);

#endif
