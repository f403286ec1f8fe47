/*
 * Carries a call from its handler to the answer: tags, packing, references, and what ends with it.
 */
#include "api/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http/gzip.h"
#include "api/http/header.h"
#include "api/idempotency.h"
#include "api/maker.h"
#include "api/relay.h"
#include "api/router.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/mem.h"

/* Shorter answers fit one packet anyway; longer ones would keep the loop from other work. */
enum { PACK_FROM_BYTES = 1400, PACK_AT_ONCE_BYTES = 32 * 1024 };

void call_ref(struct call *call)
{
	call->refs++;
}

struct large_body {
	struct loop_job job;
	json_t *body;
};

static void free_body(void *arg)
{
	struct large_body *large = arg;

	json_decref(large->body);
	mem_give_back();
}

/* A tree of a hundred thousand values takes milliseconds to be freed, too. */
static void forget_body(struct call *call)
{
	struct large_body *large;

	if (!call->large_body) {
		json_decref(call->body);
		return;
	}
	large = mem_new(1, sizeof(*large));
	large->body = call->body;
	loop_work(call->server->loop, &large->job, free_body, free, large);
}

void call_unref(struct call *call)
{
	if (--call->refs > 0) {
		return;
	}
	idempotency_end(call);
	if (call->state_destroy != NULL) {
		call->state_destroy(call->state);
	}
	store_release(&call->hold);
	store_release(&call->source);
	spec_destroy(call->spec);
	free(call->unmade);
	maker_end(call);
	free(call->refusal);
	target_finish(&call->target);
	identity_finish(&call->who);
	forget_body(call);
	free(call);
}

static void on_request_over(void *context)
{
	struct call *call = context;

	call->request = NULL;
	list_remove(&call->waits);
	list_remove(&call->news);
	if (call->query != NULL) {
		store_query_cancel(call->query);
	}
	tuner_prepare_cancel(call->preparation);
	if (call->probe != NULL) {
		endpoint_cancel(call->probe);
	}
	webhook_cancel(call->test);
	tuner_lease_poll_cancel(call->poll);
	relay_end(call);
	call_wait_end(call);
	store_unwatch(call->change);
	call->change = NULL;
	call->poll = NULL;
	call->query = NULL;
	call->test = NULL;
	call->preparation = NULL;
	call->probe = NULL;
	call_unref(call);
}

struct call *call_create(struct server *server, struct request *request)
{
	struct call *call = mem_new(1, sizeof(*call));

	call->server = server;
	call->request = request;
	call->refs = 1;
	list_init(&call->waits);
	list_init(&call->news);
	request_set_context(request, call, on_request_over);
	return call;
}

/* Who has the answer may repeat the request at once: its key must not look busy then. */
static struct request *end_request(struct call *call)
{
	struct request *request = call->request;

	relay_stamp(call);
	call->request = NULL;
	idempotency_end(call);
	return request;
}

void call_fail(struct call *call, const struct err *err)
{
	if (call->request != NULL && !relay_instead(call, err)) {
		request_problem(end_request(call), err);
	}
}

void call_refuse(struct call *call, const struct err *err)
{
	if (err->code == ERR_UNAUTHORIZED) {
		request_add_header(call->request, "WWW-Authenticate", "Bearer");
	}
	call_fail(call, err);
}

void call_error(struct call *call, enum err_code code, const char *format, ...)
{
	char text[ERR_MESSAGE_MAX];
	struct err err;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)err_set(&err, code, "%s", text);
	call_fail(call, &err);
}

void call_reply_empty(struct call *call, int status)
{
	if (call->request != NULL) {
		request_reply(end_request(call), status, NULL, NULL, 0);
	}
}

char *call_version_tag(int64_t version, char *ret)
{
	(void)snprintf(ret, CALL_TAG_SIZE, "\"%lld\"", (long long)version);
	return ret;
}

char *call_text_tag(const char *text, char *ret)
{
	char digest[HASH_SHA256_HEX_SIZE];

	hash_sha256_hex(text, strlen(text), digest);
	(void)snprintf(ret, CALL_TAG_SIZE, "\"%.32s\"", digest);
	return ret;
}

static void add_preference(struct call *call, unsigned seconds)
{
	char applied[24];

	(void)snprintf(applied, sizeof(applied), "wait=%u", seconds);
	request_add_header(call->request, "Preference-Applied", applied);
}

/* Two codings of an answer are two representations, so strong tags of them differ. */
static void add_etag(struct call *call, bool packed)
{
	char text[CALL_TAG_SIZE + sizeof(HEADER_GZIP_TAG)];

	if (!packed || call->tag[0] != '"') {
		request_add_header(call->request, "ETag", call->tag);
		return;
	}
	(void)snprintf(text, sizeof(text), "%.*s" HEADER_GZIP_TAG "\"", (int)strlen(call->tag) - 1,
		       call->tag);
	request_add_header(call->request, "ETag", text);
}

bool call_tag(struct call *call, const char *tag)
{
	const char *known = request_header(call->request, "If-None-Match");

	call->tagged = true;
	if (call->waited) {
		add_preference(call, call->wait_s);
	}
	request_add_header(call->request, "Vary", "Accept-Encoding");
	(void)snprintf(call->tag, sizeof(call->tag), "%s%s", call->live ? "W/" : "", tag);
	if (header_has_tag(known, tag, false)) {
		add_etag(call, strstr(known, HEADER_GZIP_TAG "\"") != NULL);
		call_reply_empty(call, 304);
		return false;
	}
	return true;
}

bool call_may_change(struct call *call, const char *tag)
{
	const char *wanted = request_header(call->request, "If-Match");

	if (wanted == NULL || header_has_tag(wanted, tag, true)) {
		return true;
	}
	call_error(call, ERR_PRECONDITION, "it has changed: its ETag is %s now", tag);
	return false;
}

static void handle_again(struct call *call)
{
	if (call->state_destroy != NULL) {
		call->state_destroy(call->state);
	}
	call->state_destroy = NULL;
	call->state = NULL;
	call->route->handle(call);
}

/* Whether the answer with this tag is not news to the client and may wait until it is. */
static bool park(struct call *call, const char *tag)
{
	int64_t now = clock_mono_ms();

	if (call->wait_s == 0 ||
	    !header_has_tag(request_header(call->request, "If-None-Match"), tag, false)) {
		return false;
	}
	if (!call->waited) {
		call->wait_until_ms = now + (int64_t)call->wait_s * 1000;
	}
	if (now >= call->wait_until_ms) {
		return false;
	}
	if (!request_may_wait(call->request)) {
		call_error(call, ERR_OVERLOADED, "too many clients are waiting");
		return true;
	}
	call->waited = true;
	request_forget_headers(call->request);
	call_wait_change(call, (uint64_t)(call->wait_until_ms - now), handle_again);
	return true;
}

/* JSON ends its line, so that a terminal's prompt does not stand beside it. */
static char *end_line(char *text, size_t *length)
{
	if (*length > 0 && text[*length - 1] == '\n') {
		return text;
	}
	text = mem_grow(text, *length + 2, 1);
	memcpy(text + *length, "\n", 2);
	++*length;
	return text;
}

/* An answer that is packed; a long one by a pool thread. */
struct packing {
	struct loop_job work;
	struct call *call;
	char *type;
	char *text;
	size_t length;
	char *packed; /* or NULL */
	size_t packed_length;
};

static void work_pack(void *arg)
{
	struct packing *p = arg;

	p->packed = gzip_pack(p->text, p->length, &p->packed_length);
}

static void after_packing(void *arg)
{
	struct packing *p = arg;
	struct call *call = p->call;
	bool packed = p->packed != NULL;

	if (call->request == NULL) {
		free(p->text);
		free(p->packed);
	} else {
		add_etag(call, packed);
		if (packed) {
			request_add_header(call->request, "Content-Encoding", "gzip");
			free(p->text);
		}
		request_reply(end_request(call), 200, p->type, packed ? p->packed : p->text,
			      packed ? p->packed_length : p->length);
	}
	free(p->type);
	free(p);
	call_unref(call);
}

static void reply_read(struct call *call, const char *type, char *text, size_t length)
{
	struct packing *p;

	if (length < PACK_FROM_BYTES ||
	    !header_takes_coding(request_header(call->request, "Accept-Encoding"), "gzip")) {
		add_etag(call, false);
		request_reply(end_request(call), 200, type, text, length);
		return;
	}
	p = mem_new(1, sizeof(*p));
	*p = (struct packing){.call = call, .type = mem_dup(type), .text = text, .length = length};
	call_ref(call);
	if (length <= PACK_AT_ONCE_BYTES) {
		work_pack(p);
		after_packing(p);
	} else {
		loop_work(call->server->loop, &p->work, work_pack, after_packing, p);
	}
}

/* Whether the answer is one that clients keep, by its ETag. */
static bool is_kept(const struct call *call, int status)
{
	return status == 200 && strcmp(call->route->method, "GET") == 0;
}

void call_answer_make(struct answer_text *answer, const struct call *call, int status,
		      const char *type, char *text)
{
	*answer = (struct answer_text){
		.text = text, .length = strlen(text), .status = status, .type = type};
	if (is_kept(call, status) && !call->tagged) {
		(void)call_text_tag(text, answer->tag);
	}
	if (strcmp(type, "application/json") == 0) {
		answer->text = end_line(text, &answer->length);
	}
}

void call_reply_answer(struct call *call, const struct answer_text *answer)
{
	bool kept = is_kept(call, answer->status);

	if (call->request == NULL ||
	    (kept && !call->tagged && (park(call, answer->tag) || !call_tag(call, answer->tag)))) {
		free(answer->text);
	} else if (kept) {
		reply_read(call, answer->type, answer->text, answer->length);
	} else {
		request_reply(end_request(call), answer->status, answer->type, answer->text,
			      answer->length);
	}
}

void call_reply_text(struct call *call, int status, const char *type, char *text)
{
	struct answer_text answer;

	if (call->request == NULL) {
		free(text);
		return;
	}
	call_answer_make(&answer, call, status, type, text);
	call_reply_answer(call, &answer);
}

void call_reply_packed(struct call *call, const char *type, const void *packed, size_t length)
{
	bool taken = header_takes_coding(request_header(call->request, "Accept-Encoding"), "gzip");
	char *bytes = taken ? mem_dup_n(packed, length) : gzip_unpack(packed, length, &length);
	char tag[CALL_TAG_SIZE];

	(void)snprintf(tag, sizeof(tag), "\"%.32s\"", call->params[0]);
	if (!call_tag(call, tag)) {
		free(bytes);
		return;
	}
	add_etag(call, taken);
	if (taken) {
		request_add_header(call->request, "Content-Encoding", "gzip");
	}
	request_reply(end_request(call), 200, type, bytes, length);
}

void call_reply_json(struct call *call, int status, json_t *value)
{
	char *text = json_text(value);

	json_decref(value);
	if (text == NULL) {
		call_error(call, ERR_NO_MEMORY, "no memory for the answer");
		return;
	}
	call_reply_text(call, status, "application/json", text);
}

void call_reply_copy(struct call *call, int status, const char *text)
{
	call_reply_text(call, status, "application/json", mem_dup(text));
}

static size_t body_length(struct call *call)
{
	size_t length = 0;

	(void)request_body(call->request, &length);
	return length;
}

bool call_may_submit(struct call *call, bool dry)
{
	struct err err;

	if (access_only(&call->who) == NULL ||
	    tuner_may_submit(call->server->tuner, call->who.owner, body_length(call), dry, &err) ==
		    0) {
		return true;
	}
	call_fail(call, &err);
	return false;
}

bool call_may_add(struct call *call)
{
	struct err err;

	if (access_only(&call->who) == NULL ||
	    tuner_may_keep(call->server->tuner, call->who.owner, body_length(call), &err) == 0) {
		return true;
	}
	call_fail(call, &err);
	return false;
}

bool call_has_room(struct call *call)
{
	if (!store_is_crowded(call->server->store)) {
		return true;
	}
	call_error(call, ERR_OVERLOADED,
		   "what is written waits for PostgreSQL or for the disk, and no more may: try "
		   "again later");
	return false;
}

void call_on_deleted(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;

	if (call->request != NULL && rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		call_reply_empty(call, 204);
	}
	call_unref(call);
}

bool call_body_has_only(struct call *call, const char *const *members)
{
	struct json_at at;
	struct err err;

	err_init(&err);
	at = json_root(call->body, &err);
	if (call->body != NULL) {
		json_only(&at, members);
	}
	if (err.code != ERR_OK) {
		call_fail(call, &err);
	}
	return err.code == ERR_OK;
}
