/* Sends one request to SigOpt and says what its answer means, as their server means it. */
#include "backends/sigopt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

enum { SAID_MAX = 200, OK = 200, CREATED = 201, TOO_MANY = 429 };

struct sigopt_call {
	struct fetch_call *fetch;
	const struct sigopt *sigopt;
	sigopt_fn fn;
	void *arg;
};

/* HTTP Basic: the token as user name, no password (auth.py of their API). The caller wipes and frees it. */
static char *authorization(const struct secret *token)
{
	static const char scheme[] = "Basic ";
	size_t n = sizeof(scheme) - 1;
	char *user = mem_new(token->length + 1, 1);
	char *value = mem_new(n + BASE64_SIZE(token->length + 1), 1);

	memcpy(user, token->bytes, token->length);
	user[token->length] = ':';
	memcpy(value, scheme, n);
	base64_encode(user, token->length + 1, value + n);
	explicit_bzero(user, token->length + 1);
	free(user);
	return value;
}

/* What the server says is the wrong, as one line that people may read. It may quote the token. */
static void read_message(const struct sigopt_call *call, const json_t *body, char *ret, size_t size)
{
	const struct secret *token = call->sigopt->token;
	const char *said = json_string_value(json_object_get(body, "message"));

	ret[0] = '\0';
	if (said == NULL || memmem(said, strlen(said), token->bytes, token->length) != NULL) {
		return;
	}
	(void)snprintf(ret, size, ": %.*s", SAID_MAX, said);
	for (char *c = ret; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c >= 0x7F || *c < 0) {
			*c = ' ';
		}
	}
}

static void describe(const struct sigopt_call *call, const struct fetch_reply *reply,
		     const json_t *body, struct err *reterr)
{
	char said[SAID_MAX + 8];

	if (reply->rc != 0) {
		(void)err_set(reterr, reply->err.code, "SigOpt: %s", reply->err.message);
		return;
	}
	read_message(call, body, said, sizeof(said));
	if (reply->status == OK || reply->status == CREATED) {
		(void)err_set(reterr, ERR_EVALUATOR,
			      "SigOpt answered %d with a body that is no JSON object",
			      reply->status);
	} else {
		(void)err_set(reterr, ERR_EVALUATOR, "SigOpt answered %d%s", reply->status, said);
	}
}

static bool is_retryable(const struct fetch_reply *reply)
{
	if (reply->rc != 0) {
		return reply->retryable;
	}
	return reply->status == TOO_MANY || (reply->status >= 502 && reply->status <= 504);
}

static void on_reply(void *arg, const struct fetch_reply *reply)
{
	static const struct json_limits limits = {LIMIT_BODY_BYTES, LIMIT_JSON_DEPTH,
						  LIMIT_JSON_VALUES, false};
	struct sigopt_call *call = arg;
	struct err err;
	struct sigopt_reply told = {
		.retryable = is_retryable(reply),
		.retry_after_ms = reply->rc == 0 ? reply->retry_after_ms : -1,
		.err = &err,
	};
	/* An error page of a proxy is not JSON, and errors are read leniently. */
	json_t *body =
		reply->rc == 0 ? json_parse(reply->body, reply->length, &limits, &err) : NULL;

	err_init(&err);
	if (body != NULL && (reply->status == OK || reply->status == CREATED)) {
		told.body = body;
	} else {
		describe(call, reply, body, &err);
	}
	call->fn(call->arg, &told);
	json_decref(body);
	free(call);
}

struct sigopt_call *sigopt_send(struct fetch *fetch, const struct sigopt *sigopt,
				const char *method, const char *path, const json_t *body,
				sigopt_fn fn, void *arg)
{
	struct sigopt_call *call = mem_new(1, sizeof(*call));
	char *credentials = authorization(sigopt->token);
	char *text = body != NULL ? json_text(body) : NULL;
	const struct fetch_header headers[] = {
		{"Authorization", credentials},
		{"Accept", "application/json"},
		{"Content-Type", "application/json"},
	};
	const struct fetch_request request = {
		.method = method,
		.url = sigopt->base_url,
		.path = path,
		.headers = headers,
		.header_count = sizeof(headers) / sizeof(headers[0]) - (text == NULL),
		.body = text,
		.body_length = text != NULL ? strlen(text) : 0,
		.connect_timeout_ms = sigopt->connect_timeout_ms,
		.timeout_ms = sigopt->timeout_ms,
		.max_reply = LIMIT_BODY_BYTES,
		.once = true, /* a POST that was carried out twice would be two suggestions */
	};

	call->sigopt = sigopt;
	call->fn = fn;
	call->arg = arg;
	call->fetch = fetch_start(fetch, &request, on_reply, call);
	explicit_bzero(credentials, strlen(credentials));
	free(credentials);
	free(text);
	return call;
}

void sigopt_cancel(struct sigopt_call *call)
{
	if (call != NULL) {
		fetch_cancel(call->fetch);
		free(call);
	}
}

bool sigopt_id(const json_t *object, const char *member, char *ret)
{
	const json_t *value = json_object_get(object, member);
	const char *text = json_string_value(value);

	if (json_is_integer(value)) {
		(void)snprintf(ret, SIGOPT_ID_SIZE, "%lld", (long long)json_integer_value(value));
		text = ret;
	}
	if (text == NULL || text[0] == '\0' || strlen(text) >= SIGOPT_ID_SIZE ||
	    text[strspn(text, "0123456789")] != '\0') {
		return false;
	}
	if (text != ret) {
		(void)snprintf(ret, SIGOPT_ID_SIZE, "%s", text);
	}
	return true;
}
