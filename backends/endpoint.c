/* Puts one question to an evaluator over HTTP and says what came of it, and whose fault it was. */
#include "backends/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "backends/sign.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/json.h"
#include "base/mem.h"

enum {
	RETRY_AFTER_CAP_MS = 3600 * 1000,
	HEADERS_MAX = 7 + LIMIT_EVALUATOR_HEADERS,
	KEY_SIZE = 128,
	TRACE_BYTES = 24,
};

struct endpoint_call {
	struct fetch_call *fetch;
	const char *who;
	size_t max_reply;
	bool measures; /* the answer is a measurement or scores */
	struct answer_expect expect;
	endpoint_fn fn;
	endpoint_capability_fn capability_fn;
	void *arg;
};

/* The texts of a request's headers, which fetch_start() copies. */
struct headers {
	struct fetch_header list[HEADERS_MAX];
	size_t count;
	char key[KEY_SIZE];
	char trace[2 * TRACE_BYTES + 8];
	char id[KEY_SIZE];
	struct sign_headers sign;
};

static void add(struct headers *headers, const char *name, const char *value)
{
	headers->list[headers->count++] = (struct fetch_header){name, value};
}

/* W3C Trace Context: version, trace, parent, flags ("sampled"). */
static void make_trace(char *text, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char random[TRACE_BYTES];
	char hex[2 * TRACE_BYTES + 1] = "";

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		abort();
	}
	for (size_t i = 0; i < sizeof(random); i++) {
		hex[2 * i] = digits[random[i] >> 4];
		hex[2 * i + 1] = digits[random[i] & 15];
	}
	(void)snprintf(text, size, "00-%.32s-%.16s-01", hex, hex + 32);
}

/* The specification forbids dots in ids; every attempt of a question has the same one. */
static void make_message_id(const char *key, char *id, size_t size)
{
	if (key == NULL) {
		id_make(id, "msg_");
		return;
	}
	(void)snprintf(id, size, "%s", key);
	for (char *dot = strchr(id, '.'); dot != NULL; dot = strchr(dot, '.')) {
		*dot = '_';
	}
}

static bool names_header(const struct endpoint *endpoint, const char *name)
{
	for (size_t i = 0; i < endpoint->header_count; i++) {
		if (strcasecmp(endpoint->headers[i].name, name) == 0) {
			return true;
		}
	}
	return false;
}

static void make_headers(const struct endpoint *endpoint, const struct endpoint_question *question,
			 struct headers *h)
{
	h->count = 0;
	add(h, "Content-Type", "application/json");
	if (!names_header(endpoint, "Accept")) {
		add(h, "Accept", "application/json");
	}
	if (question->idempotency_key != NULL) {
		(void)snprintf(h->key, sizeof(h->key), "\"%s\"", question->idempotency_key);
		add(h, "Idempotency-Key", h->key);
	}
	make_trace(h->trace, sizeof(h->trace));
	add(h, "traceparent", h->trace);
	if (secret_is_set(&endpoint->secret)) {
		make_message_id(question->idempotency_key, h->id, sizeof(h->id));
		sign_headers(&endpoint->secret, h->id, question->body, question->length, &h->sign,
			     &h->list[h->count]);
		h->count += SIGN_HEADERS;
	}
	for (size_t i = 0; i < endpoint->header_count; i++) {
		h->list[h->count++] = endpoint->headers[i];
	}
}

static bool is_among(int status, const int *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (status == list[i]) {
			return true;
		}
	}
	return false;
}

static bool status_is_retryable(int status)
{
	static const int retryable[] = {408, 425, 429};

	return is_among(status, retryable, sizeof(retryable) / sizeof(retryable[0])) ||
	       (status >= 500 && status <= 599);
}

/* Not the right credentials, address or method. */
static bool is_refused(const struct fetch_reply *reply)
{
	static const int refused[] = {401, 403, 404, 405, 410, 415, 501};

	return reply->rc == 0 &&
	       is_among(reply->status, refused, sizeof(refused) / sizeof(refused[0]));
}

/* Nobody, or a gateway in its place. 500 may be the config's fault, 503 with Retry-After is a busy
 * one's, and an answer that is too long is one. */
static bool is_absent(const struct fetch_reply *reply)
{
	static const int gateway[] = {502, 504};

	if (reply->rc != 0) {
		return reply->err.code != ERR_TOO_LARGE;
	}
	return is_among(reply->status, gateway, sizeof(gateway) / sizeof(gateway[0])) ||
	       (reply->status == 503 && reply->retry_after_ms < 0);
}

/* Not now: busy, or still loading its model. */
static bool is_later(const struct fetch_reply *reply)
{
	return reply->rc == 0 &&
	       (reply->status == 429 || (reply->status == 503 && reply->retry_after_ms >= 0));
}

/* The question was not even looked at. */
static bool never_arrived(const struct fetch_reply *reply)
{
	return reply->rc == 0 ? reply->status == 503 : !reply->sent;
}

static bool is_json(const char *content_type)
{
	static const char json[] = "application/json";
	size_t n = sizeof(json) - 1;

	return strncasecmp(content_type, json, n) == 0 &&
	       (content_type[n] == '\0' || strchr("; \t", content_type[n]) != NULL);
}

/* The first words of a body that says why there is no answer: the member `error` of an object when it
 * has one. Empty when it says nothing. The caller frees. */
static char *cause_of(const struct fetch_reply *reply)
{
	const struct json_limits limits = {LIMIT_REPLY_BYTES, LIMIT_JSON_DEPTH, LIMIT_JSON_VALUES,
					   false};
	json_t *body = json_parse(reply->body, reply->length, &limits, NULL);
	const json_t *error = json_object_get(body, "error");
	const char *text = json_is_string(error) ? json_string_value(error) : reply->body;
	size_t length = json_is_string(error) ? json_string_length(error) : reply->length;
	bool nothing = body != NULL && json_object_size(body) + json_array_size(body) == 0;
	char *cause = buf_line(text, nothing ? 0 : length, LIMIT_ERROR_TEXT_BYTES);

	json_decref(body);
	return cause;
}

/* ": CAUSE" after what is said already. */
static int add_cause(const struct fetch_reply *reply, struct err *reterr)
{
	char *cause = cause_of(reply);
	size_t n = strlen(reterr->message);

	if (cause[0] != '\0') {
		(void)snprintf(reterr->message + n, sizeof(reterr->message) - n, ": %s", cause);
	}
	free(cause);
	return -(int)reterr->code;
}

/* Whether an answer came that should hold JSON; otherwise what came, and what to do about it. */
static int check_reply(const char *who, const struct fetch_reply *reply, struct err *reterr)
{
	if (reply->rc != 0) {
		return err_set(reterr, reply->err.code, "%s: %s", who, reply->err.message);
	}
	if (reply->status >= 300 && reply->status <= 399) {
		return err_set(reterr, ERR_EVALUATOR,
			       "the %s answered %d, a redirect; none is followed: give the "
			       "URL that it leads to",
			       who, reply->status);
	}
	if (reply->status != 200) {
		(void)err_set(reterr, ERR_EVALUATOR, "the %s answered %d instead of 200", who,
			      reply->status);
		return add_cause(reply, reterr);
	}
	if (!is_json(reply->content_type)) {
		(void)err_set(reterr, ERR_EVALUATOR,
			      "the %s answered 200 with the content type \"%.80s\" instead "
			      "of application/json",
			      who, reply->content_type);
		return add_cause(reply, reterr);
	}
	return 0;
}

static json_t *parse(const struct endpoint_call *call, const struct fetch_reply *reply,
		     struct err *reterr)
{
	const struct json_limits limits = {call->max_reply, LIMIT_JSON_DEPTH, LIMIT_JSON_VALUES,
					   call->measures};
	json_t *body;

	if (check_reply(call->who, reply, reterr) != 0) {
		return NULL;
	}
	body = json_parse(reply->body, reply->length, &limits, reterr);
	if (body == NULL) {
		reterr->code = ERR_EVALUATOR;
		(void)err_prefix(reterr, "the %s answered 200 with a body that is not JSON",
				 call->who);
	}
	return body;
}

static int64_t retry_after(const struct fetch_reply *reply)
{
	if (reply->rc != 0 || (reply->status != 429 && reply->status != 503)) {
		return -1;
	}
	return reply->retry_after_ms < RETRY_AFTER_CAP_MS ? reply->retry_after_ms
							  : RETRY_AFTER_CAP_MS;
}

static bool read_answer(const struct endpoint_call *call, json_t *body, struct answer *ret,
			struct err *reterr)
{
	return !call->measures || answer_parse(body, &call->expect, ret, reterr) == 0;
}

static void on_reply(void *arg, const struct fetch_reply *reply)
{
	struct endpoint_call *call = arg;
	struct answer answer = {0};
	struct err err;
	struct endpoint_result result = {
		.outcome = ENDPOINT_FAILED,
		.err = &err,
		.retryable = reply->rc != 0 ? reply->retryable : status_is_retryable(reply->status),
		.later = is_later(reply),
		.broken = is_refused(reply) || is_absent(reply),
		.blameless = is_refused(reply) || never_arrived(reply),
		.retry_after_ms = retry_after(reply),
		.elapsed_ms = reply->elapsed_ms,
	};
	json_t *body = NULL;

	err_init(&err);
	if (call->measures && reply->rc == 0 && reply->status == 202) {
		result.outcome = ENDPOINT_ACCEPTED;
	} else {
		body = parse(call, reply, &err);
	}
	if (body != NULL && read_answer(call, body, &answer, &err)) {
		result.outcome = ENDPOINT_ANSWERED;
		result.answer = call->measures ? &answer : NULL;
		result.body = body;
	} else if (reply->rc == 0 && reply->status == 200) {
		result.fault = body != NULL ? answer.fault : ANSWER_MALFORMED;
	}
	call->fn(call->arg, &result);
	free(call);
	answer_finish(&answer);
	json_decref(body);
}

static void on_capability(void *arg, const struct fetch_reply *reply)
{
	struct endpoint_call *call = arg;
	struct err err;
	json_t *body;

	err_init(&err);
	body = parse(call, reply, &err);
	call->capability_fn(call->arg, body, &err);
	free(call);
	json_decref(body);
}

static void post(struct fetch *fetch, const struct endpoint *endpoint,
		 const struct endpoint_question *question, fetch_fn fn, struct endpoint_call *call)
{
	struct headers headers;
	struct fetch_request request = {
		.method = "POST",
		.url = endpoint->url,
		.path = question->path,
		.headers = headers.list,
		.ca = endpoint->ca,
		.body = question->body,
		.body_length = question->length,
		.connect_timeout_ms = endpoint->connect_timeout_ms,
		.timeout_ms = endpoint->timeout_ms,
		.max_reply = call->max_reply,
	};

	make_headers(endpoint, question, &headers);
	request.header_count = headers.count;
	call->fetch = fetch_start(fetch, &request, fn, call);
}

static struct endpoint_call *create(const struct endpoint *endpoint, size_t max_reply, void *arg)
{
	struct endpoint_call *call = mem_new(1, sizeof(*call));

	call->who = endpoint->who != NULL ? endpoint->who : "evaluator";
	call->max_reply = max_reply;
	call->arg = arg;
	return call;
}

struct endpoint_call *endpoint_ask(struct fetch *fetch, const struct endpoint *endpoint,
				   const struct endpoint_question *question, endpoint_fn fn,
				   void *arg)
{
	struct endpoint_call *call = create(endpoint, LIMIT_REPLY_BYTES, arg);

	call->measures = true;
	call->expect = question->expect;
	call->fn = fn;
	post(fetch, endpoint, question, on_reply, call);
	return call;
}

struct endpoint_call *endpoint_ask_json(struct fetch *fetch, const struct endpoint *endpoint,
					const struct endpoint_question *question, endpoint_fn fn,
					void *arg)
{
	struct endpoint_call *call = create(endpoint, LIMIT_BODY_BYTES, arg);

	call->fn = fn;
	post(fetch, endpoint, question, on_reply, call);
	return call;
}

struct endpoint_call *endpoint_capability(struct fetch *fetch, const struct endpoint *endpoint,
					  endpoint_capability_fn fn, void *arg)
{
	static const struct endpoint_question question = {
		.path = "/capability", .body = "{}", .length = 2};
	/* A job may bring the same document in its body, so it may be as large as that. */
	struct endpoint_call *call = create(endpoint, LIMIT_BODY_BYTES, arg);

	call->capability_fn = fn;
	post(fetch, endpoint, &question, on_capability, call);
	return call;
}

void endpoint_cancel(struct endpoint_call *call)
{
	if (call != NULL) {
		fetch_cancel(call->fetch);
		free(call);
	}
}
