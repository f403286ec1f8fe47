/*
 * The HTTP server: libmicrohttpd inside our loop, behind two nouns, `http` and `request`.
 *
 * A handler is called once per request, on the loop, with the whole body gathered under the
 * route's limit. It answers at once or later, with request_reply() or with request_stream_*(); it
 * never sees suspending and resuming. Malformed framing, slow clients and limits are dealt with
 * before the handler is called.
 */
#ifndef NARROWD_API_HTTP_HTTP_H
#define NARROWD_API_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/histogram.h"
#include "base/loop.h"

/* The media types of bodies of PATCH, as in Accept-Patch (RFC 5789); of others the first alone. */
#define HTTP_MERGE_PATCH "application/merge-patch+json" /* RFC 7396 */
#define HTTP_PATCH_TYPES "application/json, " HTTP_MERGE_PATCH

struct http;
struct request;

enum { HTTP_ADDRESS_SIZE = 48 };

/* What there is to be said of a request that is over. */
struct http_over {
	const char *method; /* "HEAD", too; NULL for what was refused unread, as is `path` */
	const char *path;   /* percent-decoded, without the query */
	int status;         /* of the answer; 0 when there was none */
	size_t received;    /* bytes of its body */
	size_t answered;    /* bytes of the answer's */
	double seconds;     /* from its first line to the end of its answer */
	bool complete;      /* the answer was taken to its end */
};

struct http_options {
	/* NULL-terminated: see http_socket_parse(); port 0 picks one. With a pair of http_tls_load() what
	 * other machines reach speaks TLS. */
	const char *const *listen;
	/* A unix socket besides, for the user of this process alone, or NULL; without it when it cannot be
	 * made. */
	const char *private_socket;
	/* NULL-terminated or NULL: Host names ("name" or "name:port") that a loopback listener takes
	 * besides its own. */
	const char *const *allowed_hosts;
	size_t max_body;
	unsigned max_connections;
	unsigned max_connections_per_ip;
	/* Called when a request is over, in whatever way: see http_over. NULL: nobody wants to know. */
	void (*over)(const struct request *request, const struct http_over *over, void *arg);
	uint64_t header_timeout_ms; /* whole request line and headers */
	uint64_t body_timeout_ms;
	uint64_t idle_timeout_ms;
};

/* Everything below is called on the loop thread. */
typedef void (*http_handler)(struct request *request, void *arg);

/*
 * Listens and serves until http_stop(). The texts of `options` are copied. Ignores SIGPIPE in the
 * whole process. NULL and ERR_ADDRESS when an address is malformed or cannot be listened on.
 */
struct http *http_create(struct loop *loop, const struct http_options *options,
			 http_handler handler, void *arg, struct err *reterr);
/* "http://127.0.0.1:8585" or "https://..." of listener `index` as really bound ("unix:/path"); NULL past the end. */
const char *http_url(const struct http *http, size_t index);
/*
 * Stops accepting, answers waiting reads (GET) with 503, ends streams, lets everything else be
 * answered until `deadline_ms` from now, then closes what is left without an answer, because only
 * silence is honest about a write whose outcome is open. Calls done(arg) once, from the loop.
 */
void http_stop(struct http *http, uint64_t deadline_ms, loop_fn done, void *arg);
/* After done() of http_stop(). */
void http_destroy(struct http *http);
enum { HTTP_CLASSES = 4 };

/* For /metrics. */
struct http_stats {
	/* From a complete request to the head of its answer, by the first digit of its status less two; what asks for
	 * news, and may have waited for them, is not in it. */
	struct histogram answer_time[HTTP_CLASSES];
	uint64_t waits;   /* requests that asked for news */
	uint64_t refused; /* connections that were turned away or gave way to others */
	uint64_t cut;     /* requests that ended without an answer, or before it was taken */
};
/* Of libmicrohttpd, as it runs. */
const char *http_engine_version(void);
void http_stats(const struct http *http, struct http_stats *ret);
/* Open connections and requests being answered. */
size_t http_connection_count(const struct http *http);
/* Bytes of long answers that clients have not taken yet. */
size_t http_reply_bytes(const struct http *http);
/* Requests that were handled and not yet answered, streams that have nothing to send included. */
size_t http_waiting_count(const struct http *http);

/* "GET" for HEAD too: the body is left out of the answer here, not by the handler. */
const char *request_method(const struct request *request);
/* The path, percent-decoded, without the query; never contains NUL. */
const char *request_path(const struct request *request);
/* NULL when absent. Header names are compared without case. */
const char *request_header(const struct request *request, const char *name);
/* The first value, percent-decoded; "" for a name without "=". */
const char *request_query(const struct request *request, const char *name);
/* Calls fn for each query argument in order until it returns false. */
void request_each_query(const struct request *request,
			bool (*fn)(void *arg, const char *name, const char *value), void *arg);
/* NUL-terminated besides; never NULL. */
const char *request_body(const struct request *request, size_t *ret_length);
/* The client's X-Request-Id when it is well-formed, else one of ours; every answer carries it. */
const char *request_id(const struct request *request);

/* Who is at the other end, as the kernel says. */
struct http_peer {
	bool is_unix;
	bool is_secure; /* TLS */
	int64_t uid;    /* of a unix socket's peer; -1 when unknown */
	char address
		[HTTP_ADDRESS_SIZE]; /* the part of it that belongs to one customer; "" on a unix socket */
};
void request_peer(const struct request *request, struct http_peer *ret);
/* Whether the answer is a stream that has begun. */
bool request_is_stream(const struct request *request);

/* A free slot for the handler's own state; freed by `destroy` when the request is over, whether it
 * was answered or the client went away. A handler that works asynchronously cancels there. */
void request_set_context(struct request *request, void *context, void (*destroy)(void *context));
void *request_context(const struct request *request);

/*
 * Whether a handler may keep this request waiting (a long poll, a stream): false once half of the
 * connections wait already, and while stopping. Answer ERR_OVERLOADED then. Says that it asks for news.
 */
bool request_may_wait(struct request *request);

/* Whether the client has closed its side: what is answered now reaches nobody. */
bool request_left(const struct request *request);

/* Adds a header to the answer that follows. The texts are copied. */
void request_add_header(struct request *request, const char *name, const char *value);
/* The answer that was in the making is not given: its headers are taken back. */
void request_forget_headers(struct request *request);
/* Answers; takes ownership of `body` (from malloc; may be NULL). The request is gone afterwards
 * for its handler. `content_type` may be NULL when there is no body. */
void request_reply(struct request *request, int status, const char *content_type, char *body,
		   size_t length);

/* Whether there is memory for a long answer to this request; else it is not worth making. Answer
 * ERR_OVERLOADED then, and close: who asked for it may never read that either. */
bool request_may_be_long(const struct request *request);

/* Answers with the problem document of `err` and the headers that go with it. */
void request_problem(struct request *request, const struct err *err);

/* Starts an answer of unknown length. */
void request_stream_begin(struct request *request, int status, const char *content_type);
/* Returns 0, or -ERR_TOO_LARGE when the client reads too slowly: then end the stream. */
int request_stream_write(struct request *request, const void *bytes, size_t length);
/* What is queued still leaves. The request is gone afterwards for its handler. */
void request_stream_end(struct request *request);

#endif
