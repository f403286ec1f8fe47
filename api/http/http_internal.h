/*
 * What the parts of the HTTP server share: http.c (loop and listeners), http_conn.c (connections
 * and their deadlines), http_request.c (from head to handler), http_reply.c (answers).
 *
 * Private to these files, which are the only ones to know libmicrohttpd.
 */
#ifndef NARROWD_API_HTTP_HTTP_INTERNAL_H
#define NARROWD_API_HTTP_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <uv.h>

#include "api/http/http.h"
#include "api/http/http_socket.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/list.h"

enum {
	REQUEST_ID_MAX = 64,
	REQUEST_ID_SIZE = REQUEST_ID_MAX + 1,
	/* Header texts of one answer, those of the client's id included. */
	REPLY_HEADERS_MAX = 32 * 1024,
	/* Bodies being gathered may take the memory of this many of the largest. */
	BODIES_AT_ONCE = 8,
	/* Bodies and answers get this much more time than their time-outs say. */
	SLOWEST_BYTES_PER_MS = 1,
	HTTP_NO_DEADLINE = -1,
	HTTP_ACCEPT_BATCH = 64,
};

/* libmicrohttpd either speaks TLS or not: one of these for each that is needed. */
struct http_engine {
	struct http *http;
	struct MHD_Daemon *mhd; /* NULL while it is not needed */
	uv_poll_t poll;         /* on its epoll descriptor */
};

enum http_engine_kind { ENGINE_CLEAR, ENGINE_TLS, ENGINES };

struct http_listener {
	struct http *http;
	struct http_socket socket;
	uv_poll_t poll;
};

struct http {
	struct loop *loop;
	struct http_options options; /* `listen` is not kept; `allowed_hosts` is a copy */
	http_handler handler;
	void *arg;
	struct http_listener *listeners;
	size_t listener_count;
	const struct http_listener *accepting; /* whose connection is being handed to MHD */
	struct http_engine engines[ENGINES];

	uv_prepare_t prepare;
	uv_idle_t dirty;  /* active while MHD has to run before the loop may sleep */
	uv_timer_t again; /* MHD wants to run without an event */
	uv_timer_t sweep;
	uv_timer_t stop_timer;
	size_t open_handles;

	struct list connections; /* in the order they came */
	size_t connection_count;
	size_t request_count;
	size_t waiting_count;
	size_t body_bytes;
	size_t reply_bytes; /* of long answers that are not taken yet */
	int64_t refused_at; /* when one more was too much; 0 */
	struct http_stats stats;
	uint64_t id_counter;
	char id_prefix[ID_SIZE];

	bool stopping;
	bool stopped;
	loop_fn done;
	void *done_arg;
};

struct http_conn {
	struct list node;
	struct http *http;
	const struct http_listener *listener;
	struct request *request; /* NULL between requests */
	int fd;
	bool doomed;      /* shut down by us; MHD will notice */
	int64_t since;    /* begin of the present phase, by the loop's clock */
	int64_t deadline; /* end of it, or HTTP_NO_DEADLINE */
	struct sockaddr_storage peer;
	char address[HTTP_ADDRESS_SIZE]; /* of its customer, "" until somebody asks */
};

/*
 * The life of a request. It only moves down, except that STREAMING and REPLYING are two ways to
 * the same end. "Suspended" is a flag of its own: MHD must be told to suspend and to resume in
 * strict turns, from a few places only, and all of them look at that flag.
 */
enum request_state {
	REQUEST_HEAD,     /* the request line is known */
	REQUEST_BODY,     /* the guard has let it pass, or it is refused once its body is over */
	REQUEST_HANDLING, /* the handler runs */
	REQUEST_WAITING,  /* the handler has returned and owes an answer; suspended */
	REQUEST_ANSWERED, /* the answer is made; MHD will come and get it */
	REQUEST_REPLYING, /* MHD has the answer */
	REQUEST_GONE,     /* given up; MHD will close the connection when it comes by */
};

/* How a client takes a long answer; times by the loop's clock, 0 before the first look. */
struct reply_pace {
	size_t taken; /* bytes, at the latest look */
	int64_t moved_at;
	size_t mark; /* of `taken`, when the present span of time began */
	int64_t marked_at;
};

struct request {
	struct http *http;
	struct http_conn *conn;
	struct MHD_Connection *mhd;
	enum request_state state;
	bool suspended;
	bool head; /* the method is HEAD */
	bool has_cache_control;
	const char *method; /* in MHD's memory, as is `path` */
	const char *path;
	const char *target_end; /* of the raw target, for comparison only */
	char id[REQUEST_ID_SIZE];

	bool waits;          /* it asks for news, and may have to wait for them */
	uint64_t begun_ns;   /* when its first line was there */
	uint64_t handled_ns; /* when it went to the handler, or 0 */
	size_t received;
	size_t streamed; /* bytes of a stream that MHD has taken */

	char *body;
	size_t body_length;
	size_t body_capacity;

	void *context;
	void (*destroy)(void *context);

	struct buf headers; /* name NUL value NUL ... */
	int status;
	struct MHD_Response *response; /* made, not yet queued */
	char *reply;                   /* the body while it is handed over in blocks; owned */
	size_t reply_length;
	size_t reply_given; /* to the kernel, by MHD */
	struct reply_pace pace;

	bool streaming;
	bool stream_ended;
	struct buf queue;
	size_t queue_start; /* bytes of `queue` that are sent already */
};

/* http.c */
void http_mark_dirty(struct http *http);
int64_t http_now(const struct http *http);

/* http_engine.c */
int http_engine_start(struct http *http, enum http_engine_kind kind, struct err *reterr);
/* Runs each once. Returns ms until one wants to run again, or -1. */
int64_t http_engine_run(struct http *http);

/* http_conn.c */
void http_conn_notify(void *http, struct MHD_Connection *mhd, void **context,
		      enum MHD_ConnectionNotificationCode code);
struct http_conn *http_conn_of(struct MHD_Connection *mhd);
/* Whether one more from there may come in; makes room when the table is full. */
bool http_conn_admit(struct http *http, const struct sockaddr *peer);
void http_conn_enter(struct http_conn *conn, int64_t timeout_ms);
/* Tells the client why, without MHD's help, and gives the connection up. Only where nothing of an
 * answer has been sent. */
void http_conn_refuse(struct http_conn *conn, const struct err *err);
/* Gives the connection up; the handler's context is destroyed before this returns. */
void http_conn_drop(struct http_conn *conn);
/* Closes the connection unless something is still to be answered on it. */
void http_conn_drain(struct http_conn *conn);
/* Enforces deadlines and notices clients that left while they were suspended. */
void http_conn_sweep(struct http *http);

/* http_request.c */
void *http_request_begin(void *owner, const char *target, struct MHD_Connection *mhd);
enum MHD_Result http_request_access(void *http, struct MHD_Connection *mhd, const char *path,
				    const char *method, const char *version, const char *data,
				    size_t *size, void **context);
void http_request_completed(void *owner, struct MHD_Connection *mhd, void **context,
			    enum MHD_RequestTerminationCode code);
/* Destroys the handler's context if there is one. */
void http_request_release(struct request *request);
void http_request_abandon(struct request *request);
void http_request_suspend(struct request *request);
void http_request_resume(struct request *request);
/* Whether it is still the client's turn: its head or body is not complete. */
bool http_request_incomplete(const struct request *request);

/* http_reply.c */
/* Hands the answer to MHD; only from the access callback. */
enum MHD_Result http_reply_queue(struct request *request);
/* Whether the client takes its long answer too slowly. */
bool http_reply_is_slow(struct request *request, int64_t now);
/* Frees an answer that was never handed over, and what MHD read an answer from. */
void http_reply_finish(struct request *request);

#endif
