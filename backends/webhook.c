/* Sends one signed message to a webhook's receiver; only the status of the answer counts. */
#include "backends/webhook.h"

#include <stdlib.h>
#include <string.h>

#include "backends/sign.h"
#include "base/limits.h"
#include "base/mem.h"

enum { CONNECT_TIMEOUT_MS = 5000 };

struct webhook_call {
	struct fetch_call *fetch;
	webhook_fn fn;
	void *arg;
};

static void describe(const struct fetch_reply *reply, struct err *err)
{
	if (reply->status >= 300 && reply->status <= 399) {
		(void)err_set(err, ERR_EVALUATOR,
			      "the receiver answered %d, a redirect; none is followed: register "
			      "the URL that it leads to",
			      reply->status);
	} else {
		(void)err_set(err, ERR_EVALUATOR, "the receiver answered %d", reply->status);
	}
}

/* What the receiver says beyond its status is of no interest, however much it is. */
static bool has_status(const struct fetch_reply *reply)
{
	return reply->rc == 0 || reply->rc == -(int)ERR_TOO_LARGE;
}

static void on_reply(void *arg, const struct fetch_reply *reply)
{
	struct webhook_call *call = arg;
	int status = has_status(reply) ? reply->status : 0;
	struct err err;
	struct webhook_result result = {
		.delivered = status >= 200 && status <= 299,
		.gone = status == 410,
		.status = status,
		.retry_after_ms = status == 429 || status == 503 ? reply->retry_after_ms : -1,
		.err = &err,
		.elapsed_ms = reply->elapsed_ms,
	};

	err_init(&err);
	if (status == 0) {
		(void)err_set(&err, reply->err.code, "receiver: %s", reply->err.message);
	} else if (!result.delivered) {
		describe(reply, &err);
	}
	call->fn(call->arg, &result);
	free(call);
}

struct webhook_call *webhook_send(struct fetch *fetch, const struct webhook_message *message,
				  webhook_fn fn, void *arg)
{
	struct webhook_call *call = mem_new(1, sizeof(*call));
	struct fetch_header headers[1 + SIGN_HEADERS] = {{"Content-Type", "application/json"}};
	struct sign_headers texts;
	struct fetch_request request = {
		.method = "POST",
		.url = message->url,
		.headers = headers,
		.header_count = 1 + SIGN_HEADERS,
		.body = message->body,
		.body_length = strlen(message->body),
		.connect_timeout_ms = message->timeout_ms < CONNECT_TIMEOUT_MS ? message->timeout_ms
									       : CONNECT_TIMEOUT_MS,
		.timeout_ms = message->timeout_ms,
		.max_reply = LIMIT_RECEIPT_BYTES,
	};

	sign_headers(message->secret, message->id, message->body, request.body_length, &texts,
		     &headers[1]);
	call->fn = fn;
	call->arg = arg;
	call->fetch = fetch_start(fetch, &request, on_reply, call);
	return call;
}

void webhook_cancel(struct webhook_call *call)
{
	if (call != NULL) {
		fetch_cancel(call->fetch);
		free(call);
	}
}
