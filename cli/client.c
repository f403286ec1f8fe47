/* Sends requests to the daemon one by one, again when the connection broke. */
#include "cli/client.h"

#include <ctype.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backends/fetch.h"
#include "backends/guard.h"
#include "backends/guard_url.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/loop.h"
#include "base/mem.h"

enum {
	CONNECT_TIMEOUT_MS = 5 * 1000,
	READ_TIMEOUT_MS = 60 * 1000,
	/* A submission waits for the evaluator's capability, for which the evaluator has 600 s. */
	WRITE_TIMEOUT_MS = 660 * 1000,
	WAIT_S = 20,
	TICK_MS = 1000,
	RETRY_PAUSE_MS = 500,
	MAX_REPLY = 1 << 30,
	MAX_HEADERS = 4,
	OK = 200,
};

struct call {
	struct client *client;
	struct loop *loop;
	struct fetch *fetch;
	struct loop_timer ticker;
	struct loop_task stop;
	struct client_reply *reply;
	bool retryable;
	bool foreign;
	int rc;
	struct err *err;
};

static bool begins(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* Without the slashes at the end. */
static size_t trimmed_length(const char *server)
{
	size_t length = strlen(server);

	while (length > 0 && server[length - 1] == '/') {
		length--;
	}
	return length;
}

int client_init(struct client *client, const char *server, const char *token, struct err *reterr)
{
	struct guard_url parts;

	*client = (struct client){0};
	if (begins(server, "unix:") && server[5] != '\0') {
		client->unix_path = mem_dup(server + 5);
		client->url = mem_dup("http://localhost");
	} else if (begins(server, "http://") || begins(server, "https://")) {
		client->url = mem_dup_n(server, trimmed_length(server));
	} else if (strstr(server, "://") == NULL && !begins(server, "unix:")) {
		client->url = mem_printf("http://%.*s", (int)trimmed_length(server), server);
	} else {
		return err_set(
			reterr, ERR_USAGE,
			"the server must be HOST:PORT, http://HOST:PORT, https://HOST:PORT or "
			"unix:PATH, not \"%s\"",
			server);
	}
	if (guard_check_url(NULL, client->url, &parts, reterr) != 0) {
		return err_prefix(reterr, "the server \"%s\" cannot be used", server);
	}
	for (const char *at = token; at != NULL && *at != '\0'; at++) {
		if (!isgraph((unsigned char)*at)) {
			return err_set(reterr, ERR_USAGE,
				       "the token must be visible ASCII without white space");
		}
	}
	if (token != NULL) {
		client->authorization = mem_printf("Bearer %s", token);
	}
	return 0;
}

void client_finish(struct client *client)
{
	free(client->url);
	free(client->unix_path);
	free(client->authorization);
}

void client_reply_finish(struct client_reply *reply)
{
	free(reply->body);
	free(reply->etag);
	*reply = (struct client_reply){0};
}

static void on_tick(void *arg)
{
	struct call *call = arg;

	call->client->tick(call->client->tick_arg);
	loop_timer_start(&call->ticker, TICK_MS);
}

static void on_stopped(void *arg)
{
	struct call *call = arg;

	loop_close(call->loop);
}

static void stop(void *arg)
{
	struct call *call = arg;

	loop_timer_close(&call->ticker, NULL);
	fetch_stop(call->fetch, on_stopped, call);
}

static void on_reply(void *arg, const struct fetch_reply *reply)
{
	struct call *call = arg;

	call->rc = reply->rc;
	call->retryable = reply->retryable;
	call->foreign = reply->foreign;
	if (reply->rc != 0) {
		if (call->err != NULL) {
			*call->err = reply->err;
		}
	} else {
		*call->reply = (struct client_reply){
			.status = reply->status,
			.body = mem_dup_n(reply->body, reply->length),
			.length = reply->length,
			.etag = mem_dup(reply->etag),
			.retry_after_ms = reply->retry_after_ms,
			.date_ms = reply->date_ms,
		};
	}
	loop_defer(call->loop, &call->stop, stop, call);
}

/* One attempt in a loop of its own, which ends with it. */
static int attempt(struct client *client, const struct fetch_request *request,
		   struct client_reply *ret_reply, bool *ret_retryable, struct err *reterr)
{
	static const struct fetch_options options = {
		.max_total = 1, .max_per_host = 1, .user_agent = "narrow/" NARROW_VERSION};
	struct call call = {.client = client, .reply = ret_reply, .err = reterr};

	call.loop = loop_create();
	call.fetch = fetch_create(call.loop, NULL, &options, reterr);
	loop_timer_init(call.loop, &call.ticker, on_tick, &call);
	if (call.fetch == NULL) {
		call.rc = -(int)ERR_INTERNAL;
		loop_timer_close(&call.ticker, NULL);
		loop_close(call.loop);
	} else {
		if (client->tick != NULL) {
			loop_timer_start(&call.ticker, TICK_MS);
		}
		(void)fetch_start(call.fetch, request, on_reply, &call);
	}
	loop_run(call.loop);
	fetch_destroy(call.fetch);
	loop_destroy(call.loop);
	*ret_retryable = call.retryable;
	client->final = call.rc != 0 && !call.retryable;
	client->foreign = call.rc != 0 && call.foreign;
	client->settled = client->settled || call.rc == 0;
	return call.rc;
}

static void add_header(struct fetch_request *request, struct fetch_header *headers,
		       const char *name, const char *value)
{
	headers[request->header_count++] = (struct fetch_header){name, value};
}

/* `headers` has room for two more; `key` for the Idempotency-Key that a POST gets, else NULL. */
static int send_request(struct client *client, struct fetch_request *request, const char *path,
			struct fetch_header *headers, char *key, struct client_reply *ret_reply,
			struct err *reterr)
{
	static const struct timespec retry_pause = {.tv_nsec = RETRY_PAUSE_MS * 1000L * 1000L};
	bool may_repeat = strcmp(request->method, "POST") == 0, retryable;
	int rc;

	if (client->authorization != NULL) {
		add_header(request, headers, "Authorization", client->authorization);
	}
	if (may_repeat) {
		id_make(key, "key_");
		add_header(request, headers, "Idempotency-Key",
			   client->key != NULL ? client->key : key);
	}
	request->url = client->url;
	request->path = path;
	request->unix_path = client->unix_path;
	request->ca = client->ca;
	request->headers = headers;
	request->connect_timeout_ms = CONNECT_TIMEOUT_MS;
	request->max_reply = MAX_REPLY;
	rc = attempt(client, request, ret_reply, &retryable, reterr);
	if (may_repeat && rc != 0 && rc != -(int)ERR_TIMEOUT && retryable) {
		(void)nanosleep(&retry_pause, NULL);
		rc = attempt(client, request, ret_reply, &retryable, reterr);
	}
	return rc;
}

/* Whether narrowd answers there, or somebody speaks TLS whose certificate is not valid; nothing is said that is secret. */
static bool is_answered(const struct client *client, const char *url)
{
	struct client other = {.ca = client->ca};
	struct fetch_request request = {
		.method = "GET",
		.url = url,
		.path = "/healthz",
		.ca = client->ca,
		.connect_timeout_ms = CONNECT_TIMEOUT_MS,
		.timeout_ms = CONNECT_TIMEOUT_MS,
		.max_reply = MAX_REPLY,
	};
	struct client_reply reply = {0};
	struct err ignored;
	bool retryable, answered;

	err_init(&ignored);
	(void)attempt(&other, &request, &reply, &retryable, &ignored);
	answered = (begins(url, "https:") && other.final) || reply.status == OK;
	client_reply_finish(&reply);
	return answered;
}

bool client_is_futile(struct client *client, struct err *err)
{
	bool tls = begins(client->url, "https:");
	char *url, *why;

	if (client->final || client->settled || !client->foreign || client->unix_path != NULL) {
		return client->final;
	}
	client->settled = true;
	url = guard_url_in(client->url, !tls);
	if (url == NULL || !is_answered(client, url)) {
		free(url);
		return false;
	}
	why = mem_dup(err->message);
	(void)err_set(err, err->code, "%s; the server is %s%s", why, url,
		      tls && client->authorization != NULL
			      ? ", which is not encrypted: whoever listens reads the token"
			      : "");
	free(why);
	free(url);
	return true;
}

int client_call(struct client *client, const char *method, const char *path, const char *body,
		struct client_reply *ret_reply, struct err *reterr)
{
	struct fetch_header headers[MAX_HEADERS];
	char key[ID_SIZE];
	bool reads = strcmp(method, "GET") == 0;
	struct fetch_request request = {
		.method = method,
		.body = body,
		.body_length = body != NULL ? strlen(body) : 0,
		.timeout_ms = client->timeout_ms > 0 ? client->timeout_ms
			      : reads                ? READ_TIMEOUT_MS
						     : WRITE_TIMEOUT_MS,
	};

	if (body != NULL) {
		add_header(&request, headers, "Content-Type", "application/json");
	}
	return send_request(client, &request, path, headers, key, ret_reply, reterr);
}

int client_wait(struct client *client, const char *path, const char *etag,
		struct client_reply *ret_reply, struct err *reterr)
{
	struct fetch_header headers[MAX_HEADERS];
	char prefer[32];
	struct fetch_request request = {
		.method = "GET",
		.timeout_ms = WAIT_S * 1000 + READ_TIMEOUT_MS,
	};

	(void)snprintf(prefer, sizeof(prefer), "wait=%d", WAIT_S);
	if (etag[0] != '\0') {
		add_header(&request, headers, "If-None-Match", etag);
		add_header(&request, headers, "Prefer", prefer);
	}
	return send_request(client, &request, path, headers, NULL, ret_reply, reterr);
}

char *client_escape(const char *text)
{
	struct buf buf;

	buf_init(&buf, 3 * strlen(text) + 1);
	buf_escaped(&buf, text, "-_");
	return buf_take(&buf, NULL);
}
