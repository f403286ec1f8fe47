/* Sends a request to the daemon that writes, and copies its answer. */
#include "api/relay.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/http/header.h"
#include "api/router.h"
#include "backends/fetch.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

/* Says that a request was handed on. */
#define HANDED_ON "Narrowd-Handed-On"
/* In the answer: up to where the log says so. */
#define POSITION "Narrowd-Position"

enum {
	CONNECT_MS = 5000,
	/* A write waits for PostgreSQL for as long as its client does. */
	ANSWER_MS = 3600 * 1000,
	ANSWER_BYTES = 128 * 1024 * 1024,
	/* An answer waits for its own replica no longer. */
	LATE_MS = 2000,
	HEADERS_MAX = 16,
	/* Each byte may become three. */
	TARGET_BYTES = 3 * LIMIT_TARGET_BYTES,
};

struct relay {
	struct list node;
	struct call *call;
	struct fetch_call *fetch; /* NULL when it has answered, with: */
	char *url;                /* of the daemon */
	int status;
	char *type, *body; /* or NULL */
	size_t length;
	int64_t position; /* that the replica is to reach before this is given back */
	struct store_watch *watch;
	struct loop_timer late;
};

/* Reads whose answer is in the memory of the daemon that writes, and in no log. */
static const char *const of_memory[] = {"/v1/pools", "/v1/pools/{name}", "/v1/workers",
					"/v1/evaluators/{id}/health", NULL};

static bool is_among(const char *text, const char *const *list)
{
	while (*list != NULL && strcasecmp(*list, text) != 0) {
		list++;
	}
	return *list != NULL;
}

static bool is_read(const struct call *call)
{
	return strcmp(call->route->method, "GET") == 0;
}

/* Who logs in, or out, writes nothing. */
bool relay_takes(const struct call *call)
{
	return store_is_spare(call->server->store) && call->route->scope != SCOPE_NONE &&
	       (!is_read(call) || is_among(call->route->path, of_memory));
}

/* Such an address is another one on each machine. */
static bool is_loopback(const char *url)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct guard_url parts;
	struct err err ERR_UNCLEARED;

	if (guard_check_url(NULL, url, &parts, &err) != 0) {
		return false;
	}
	if (inet_pton(AF_INET, parts.host, &v4.sin_addr) == 1) {
		return guard_classify((struct sockaddr *)&v4) == CLASS_LOOPBACK;
	}
	if (inet_pton(AF_INET6, parts.host, &v6.sin6_addr) == 1) {
		return guard_classify((struct sockaddr *)&v6) == CLASS_LOOPBACK;
	}
	return strcmp(parts.host, "localhost") == 0;
}

static int find(const struct server *server, struct store_writer *ret, struct err *reterr)
{
	store_writer(server->store, ret);
	if (!ret->is_there) {
		return err_set(reterr, ERR_STANDBY,
			       "no daemon writes at the moment: another one takes its place soon");
	}
	if (ret->url[0] == '\0') {
		return err_set(reterr, ERR_STANDBY,
			       "another daemon writes, and does not say where it is reached: it "
			       "has just begun, or wants the setting advertise");
	}
	if (is_loopback(ret->url) && !ret->is_here) {
		return err_set(reterr, ERR_STANDBY,
			       "another daemon writes, and says that it is reached at an address "
			       "of loopback, which leads nowhere from this machine: give it the "
			       "setting advertise");
	}
	return 0;
}

int relay_check(const struct server *server, struct err *reterr)
{
	struct store_writer writer;

	return find(server, &writer, reterr);
}

/* What lets in by itself, without a token, does so on its machine alone. */
static int check(const struct call *call, struct store_writer *ret, struct err *reterr)
{
	struct http_peer peer;

	request_peer(call->request, &peer);
	if (request_header(call->request, HANDED_ON) != NULL) {
		return err_set(reterr, ERR_STANDBY,
			       "this was handed on to a daemon that does not write any more, or "
			       "not yet: ask again");
	}
	if (peer.is_unix && call->who.token[0] == '\0') {
		return err_set(reterr, ERR_STANDBY,
			       "another daemon writes, and does not know who is let in by this "
			       "socket: send a token, or ask on its machine");
	}
	return find(call->server, ret, reterr);
}

/* What may wait for news takes a place of those who do. */
static bool may_wait(struct call *call)
{
	static const char *const waits[] = {"/v1/leases", "/sigopt/v1/experiments/{id}/suggestions",
					    NULL};

	return (!is_among(call->route->path, waits) &&
		request_header(call->request, "Prefer") == NULL) ||
	       request_may_wait(call->request);
}

static bool add_argument(void *arg, const char *name, const char *value)
{
	struct buf *target = arg;

	buf_text(target, strchr(target->bytes, '?') == NULL ? "?" : "&");
	buf_escaped(target, name, "-._~");
	buf_text(target, "=");
	buf_escaped(target, value, "-._~");
	return true;
}

/* A tab may come in a header and may not go out in one. */
static void add_header(struct fetch_request *request, struct fetch_header *headers,
		       const char *name, const char *value)
{
	if (value != NULL && strchr(value, '\t') == NULL) {
		headers[request->header_count++] = (struct fetch_header){name, value};
	}
}

/* All that a handler looks at, and what tells whose request it is. */
static void add_headers(const struct call *call, struct fetch_request *request,
			struct fetch_header *headers, struct buf *authorization)
{
	static const char *const passed[] = {
		"Accept",        "Accept-Encoding", "If-Match",    "If-None-Match", "Prefer",
		"Last-Event-ID", "Idempotency-Key", "Traceparent", "Tracestate",    "User-Agent"};
	const char *type = request_header(call->request, "Content-Type");

	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++) {
		add_header(request, headers, passed[i], request_header(call->request, passed[i]));
	}
	add_header(request, headers, "Content-Type", type != NULL ? type : "");
	add_header(request, headers, "X-Request-Id", request_id(call->request));
	add_header(request, headers, HANDED_ON, "1");
	if (access_pass_on(call->request, authorization)) {
		add_header(request, headers, "Authorization", authorization->bytes);
	}
	request->headers = headers;
}

static void free_relay(void *arg)
{
	struct relay *relay = arg;

	free(relay->url);
	free(relay->type);
	free(relay->body);
	free(relay);
}

/* A timer outlives its call by the turn that libuv needs to close it. */
static void forget(struct relay *relay)
{
	relay->call->relay = NULL;
	list_remove(&relay->node);
	store_unwatch(relay->watch);
	loop_timer_close(&relay->late, free_relay);
}

/* What belongs to a connection, or is said by this daemon of every answer. */
static bool is_own(const char *name)
{
	static const char *const own[] = {"Connection",
					  "Content-Length",
					  "Content-Type",
					  "Date",
					  "Keep-Alive",
					  "Trailer",
					  "Upgrade",
					  "Transfer-Encoding",
					  "X-Content-Type-Options",
					  "X-Request-Id",
					  NULL};

	return is_among(name, own);
}

static void give_back(struct relay *relay)
{
	struct call *call = relay->call;
	struct request *request = call->request;
	char *body = relay->body;

	relay->body = NULL;
	call->request = NULL;
	request_reply(request, relay->status, relay->type, body, relay->length);
	forget(relay);
}

static void on_late(void *arg)
{
	give_back(arg);
}

static void give_back_in_time(void *arg)
{
	struct relay *relay = arg;
	struct server *server = relay->call->server;

	relay->watch = NULL;
	/* Without PostgreSQL it may not come for long. */
	if (store_position(server->store) >= relay->position || store_is_away(server->store)) {
		give_back(relay);
	} else {
		relay->watch = store_watch(server->store, STORE_ANYTHING, give_back_in_time, relay);
	}
}

static void keep(struct relay *relay, const struct fetch_reply *reply)
{
	struct request *request = relay->call->request;
	struct fetch_header header;
	void *at = NULL;

	request_forget_headers(request);
	while (fetch_reply_header(reply, &at, &header)) {
		if (strcasecmp(header.name, POSITION) == 0) {
			relay->position = strtoll(header.value, NULL, 10);
		} else if (!is_own(header.name)) {
			request_add_header(request, header.name, header.value);
		}
	}
	relay->fetch = NULL;
	relay->status = reply->status;
	relay->type = reply->content_type[0] != '\0' ? mem_dup(reply->content_type) : NULL;
	relay->body = reply->length > 0 ? mem_dup_n(reply->body, reply->length) : NULL;
	relay->length = reply->length;
}

static void note(struct relays *relays, const struct err *why)
{
	relays->answered += why == NULL;
	relays->failed += why != NULL;
	if (why != NULL && !relays->is_broken) {
		log_line(LOG_WARNING, "requests cannot be handed on to the daemon that writes",
			 LOG_TEXT("detail", why->message));
	} else if (why == NULL && relays->is_broken) {
		log_line(LOG_INFO, "requests are handed on again");
	}
	relays->is_broken = why != NULL;
}

/* A read does nothing; of anything else it matters whether it was sent. */
static void fail(struct call *call, bool sent)
{
	bool open = sent && !is_read(call);
	struct request *request = call->request;
	struct err err ERR_UNCLEARED;

	(void)err_set(
		&err, open ? ERR_COMMIT_UNKNOWN : ERR_STANDBY, "%s",
		open ? "the daemon that writes was asked and gave no answer, so that this "
		       "may have been done or not: with an Idempotency-Key the same request "
		       "can be sent again"
		     : "the daemon that writes cannot be reached: nothing was done, ask again");
	call->request = NULL;
	request_forget_headers(request);
	request_problem(request, &err);
}

static void on_reply(void *arg, const struct fetch_reply *reply)
{
	struct relay *relay = arg;
	struct call *call = relay->call;

	note(&call->server->relays, reply->rc == 0 ? NULL : &reply->err);
	if (reply->rc != 0) {
		forget(relay);
		fail(call, reply->sent);
		return;
	}
	keep(relay, reply);
	loop_timer_start(&relay->late, LATE_MS);
	give_back_in_time(relay);
}

static void ask(struct call *call, const char *url)
{
	struct relays *relays = &call->server->relays;
	struct fetch_header headers[HEADERS_MAX];
	struct fetch_request request = {.method = request_method(call->request),
					.url = url,
					.ca = relays->ca,
					.connect_timeout_ms = CONNECT_MS,
					.timeout_ms = ANSWER_MS,
					.max_reply = ANSWER_BYTES};
	struct relay *relay = mem_new(1, sizeof(*relay));
	struct buf target, authorization;

	buf_init(&target, TARGET_BYTES);
	buf_init(&authorization, LIMIT_HEADER_BYTES);
	buf_escaped(&target, request_path(call->request), "-._~/");
	request_each_query(call->request, add_argument, &target);
	request.path = target.bytes;
	request.body = request_body(call->request, &request.body_length);
	request.body = request.body_length > 0 ? request.body : NULL;
	/* What came to an end on an old connection may have been done. */
	request.once = !is_read(call) && request_header(call->request, "Idempotency-Key") == NULL;
	add_headers(call, &request, headers, &authorization);
	relay->call = call;
	relay->url = mem_dup(url);
	loop_timer_init(call->server->loop, &relay->late, on_late, relay);
	list_append(&relays->open, &relay->node);
	call->relay = relay;
	relay->fetch = fetch_start(relays->fetch, &request, on_reply, relay);
	buf_finish(&target);
	buf_finish(&authorization);
}

void relay_begin(struct call *call)
{
	struct store_writer writer;
	struct err err ERR_UNCLEARED;

	if (check(call, &writer, &err) != 0) {
		call_fail(call, &err);
	} else if (!may_wait(call)) {
		call_error(call, ERR_OVERLOADED, "too many clients wait already");
	} else {
		ask(call, writer.url);
	}
}

bool relay_instead(struct call *call, const struct err *err)
{
	struct store_writer writer;
	struct err unused ERR_UNCLEARED;

	if (err->code != ERR_NOT_FOUND || call->route == NULL || !is_read(call) ||
	    call->route->scope == SCOPE_NONE || !store_is_spare(call->server->store) ||
	    check(call, &writer, &unused) != 0) {
		return false;
	}
	if (header_prefers(request_header(call->request, "Accept"), "text/event-stream",
			   "application/json")) {
		/* An answer is given as a whole: that of a stream would come when the job has ended. */
		call_error(
			call, ERR_STANDBY,
			"this daemon does not know it, or not yet: ask again, or the daemon that "
			"writes");
	} else if (!may_wait(call)) {
		call_error(call, ERR_OVERLOADED, "too many clients wait already");
	} else {
		ask(call, writer.url);
	}
	return true;
}

void relay_stamp(const struct call *call)
{
	int64_t position = store_position(call->server->store);
	char text[24];

	if (position > 0 && request_header(call->request, HANDED_ON) != NULL) {
		(void)snprintf(text, sizeof(text), "%lld", (long long)position);
		request_add_header(call->request, POSITION, text);
	}
}

void relay_end(struct call *call)
{
	if (call->relay != NULL) {
		if (call->relay->fetch != NULL) {
			fetch_cancel(call->relay->fetch);
		}
		forget(call->relay);
	}
}

void relay_writer_changed(void *arg)
{
	struct server *server = arg;
	struct store_writer writer;
	struct list *node = server->relays.open.next, *next;

	store_writer(server->store, &writer);
	for (; writer.is_there && node != &server->relays.open; node = next) {
		struct relay *relay = list_entry(node, struct relay, node);
		struct call *call = relay->call;

		next = node->next;
		if (relay->fetch != NULL && strcmp(relay->url, writer.url) != 0) {
			relay_end(call);
			fail(call, true);
		}
	}
}
