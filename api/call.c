#include "api/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/header.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

enum { KEY_LIFE_MS = 48 * 3600 * 1000 };

/* A timer outlives its call by the turn that libuv needs to close it. */
struct wait {
	struct loop_timer timer;
	struct call *call;
	call_fn *then;
};

static const struct json_limits body_limits = {LIMIT_BODY_BYTES, LIMIT_JSON_DEPTH,
					       LIMIT_JSON_VALUES};

void call_ref(struct call *call)
{
	call->refs++;
}

static void release_key(struct call *call)
{
	if (call->key != NULL) {
		map_remove(&call->server->keys, call->key);
		free(call->key);
		call->key = NULL;
	}
}

void call_unref(struct call *call)
{
	if (--call->refs > 0) {
		return;
	}
	release_key(call);
	if (call->state_destroy != NULL) {
		call->state_destroy(call->state);
	}
	target_finish(&call->target);
	json_decref(call->body);
	free(call);
}

static void on_request_over(void *context)
{
	struct call *call = context;

	call->request = NULL;
	if (call->query != NULL) {
		store_query_cancel(call->query);
	}
	tuner_prepare_cancel(call->preparation);
	if (call->probe != NULL) {
		endpoint_cancel(call->probe);
	}
	call_wait_end(call);
	call->query = NULL;
	call->preparation = NULL;
	call->probe = NULL;
	call_unref(call);
}

/* Who has the answer may repeat the request at once: its key must not look busy then. */
static struct request *end_request(struct call *call)
{
	struct request *request = call->request;

	call->request = NULL;
	release_key(call);
	return request;
}

void call_fail(struct call *call, const struct err *err)
{
	if (call->request != NULL) {
		request_problem(end_request(call), err);
	}
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

static bool add_tag(struct call *call, const char *tag)
{
	const char *known = request_header(call->request, "If-None-Match");

	call->tagged = true;
	request_add_header(call->request, "ETag", tag);
	if (header_has_tag(known, tag, false)) {
		call_reply_empty(call, 304);
		return false;
	}
	return true;
}

bool call_tag(struct call *call, int64_t version)
{
	char tag[CALL_TAG_SIZE];

	return add_tag(call, call_version_tag(version, tag));
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

void call_reply_text(struct call *call, int status, const char *type, char *text)
{
	char tag[CALL_TAG_SIZE];
	bool read = status == 200 && strcmp(call->route->method, "GET") == 0;

	if (call->request == NULL ||
	    (read && !call->tagged && !add_tag(call, call_text_tag(text, tag)))) {
		free(text);
		return;
	}
	request_reply(end_request(call), status, type, text, strlen(text));
}

void call_reply_json(struct call *call, int status, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15));

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

static void on_rows(void *arg, int rc, const struct store_rows *rows, const struct err *err)
{
	struct call *call = arg;

	call->query = NULL;
	if (rc != 0) {
		call_fail(call, err);
	} else {
		call->next(call, rows);
	}
}

void call_query(struct call *call, int query, const struct store_value *values, size_t count,
		void (*next)(struct call *call, const struct store_rows *rows))
{
	call->next = next;
	call->query = store_query(call->server->store, query, values, count, on_rows, call);
}

static void free_wait(void *arg)
{
	free(arg);
}

void call_wait_end(struct call *call)
{
	tuner_unwatch(call->watch);
	call->watch = NULL;
	if (call->wait != NULL) {
		call->wait->timer.arg = call->wait;
		loop_timer_close(&call->wait->timer, free_wait);
		call->wait = NULL;
	}
}

static void on_news(void *arg)
{
	struct call *call = arg;
	call_fn *then = call->wait->then;

	call->watch = NULL;
	call_wait_end(call);
	then(call);
}

static void on_wait_over(void *arg)
{
	struct wait *wait = arg;
	struct call *call = wait->call;
	call_fn *then = wait->then;

	call_wait_end(call);
	then(call);
}

void call_wait(struct call *call, const char *job, int64_t version, uint64_t ms, call_fn *then)
{
	struct wait *wait = mem_new(1, sizeof(*wait));

	wait->call = call;
	wait->then = then;
	call->wait = wait;
	loop_timer_init(call->server->loop, &wait->timer, on_wait_over, wait);
	loop_timer_start(&wait->timer, ms);
	if (job != NULL) {
		call->watch = tuner_watch(call->server->tuner, job, version, on_news, call);
	}
}

static void fingerprint(struct call *call)
{
	size_t length;
	const char *body = request_body(call->request, &length);
	struct buf text;

	buf_init(&text, LIMIT_BODY_BYTES + 2 * LIMIT_TARGET_BYTES);
	buf_printf(&text, "%s %s\n", request_method(call->request), request_path(call->request));
	buf_add(&text, body, length);
	hash_sha256_hex(text.bytes, text.length, call->fingerprint);
	buf_finish(&text);
}

static void on_key(struct call *call, const struct store_rows *rows)
{
	/* The store forgets old keys when it keeps new ones, which may be much later. */
	if (rows->count == 0 ||
	    strtoll(rows->cells[4], NULL, 10) <= clock_wall_ms() - KEY_LIFE_MS) {
		call->go(call);
		return;
	}
	if (strcmp(rows->cells[0], call->fingerprint) != 0) {
		call_error(call, ERR_IDEMPOTENCY_MISMATCH,
			   "this Idempotency-Key was used for another request");
		return;
	}
	request_add_header(call->request, "Idempotency-Replayed", "true");
	if (rows->cells[2] != NULL) {
		request_add_header(call->request, "Location", rows->cells[2]);
	}
	call_reply_copy(call, atoi(rows->cells[1]), rows->cells[3]);
}

void call_once(struct call *call, call_fn *go)
{
	const char *header = request_header(call->request, "Idempotency-Key");
	struct store_value values[] = {{.text = "-"}, {0}};

	if (header == NULL) {
		go(call);
		return;
	}
	call->key = header_key(header);
	if (call->key == NULL) {
		call_error(call, ERR_BAD_REQUEST,
			   "Idempotency-Key must be 1 to %d visible characters", LIMIT_KEY_BYTES);
		return;
	}
	if (map_get(&call->server->keys, call->key, 0) != 0) {
		free(call->key);
		call->key = NULL;
		call_error(call, ERR_IDEMPOTENCY_BUSY,
			   "the first request with this Idempotency-Key still runs");
		return;
	}
	map_set(&call->server->keys, call->key, 1);
	fingerprint(call);
	call->go = go;
	values[1].text = call->key;
	call_query(call, QUERY_KEY, values, 2, on_key);
}

const struct store_key *call_key(struct call *call, int status, const char *location)
{
	if (call->key == NULL) {
		return NULL;
	}
	call->stored = (struct store_key){
		.scope = "-",
		.key = call->key,
		.fingerprint = call->fingerprint,
		.status = status,
		.location = location,
		.at_ms = clock_wall_ms(),
	};
	return &call->stored;
}

/* Whether `path` fits the template; its variable segments go to `params`. */
static bool match(const char *template, const char *path, char params[2][CALL_PARAM_SIZE])
{
	int n = 0;

	while (*template != '\0' && *path != '\0') {
		if (*template == '{') {
			size_t length = strcspn(path, "/");

			if (length == 0 || length >= CALL_PARAM_SIZE) {
				return false;
			}
			memcpy(params[n], path, length);
			params[n++][length] = '\0';
			path += length;
			template = strchr(template, '}') + 1;
		} else if (*template ++ != *path++) {
			return false;
		}
	}
	return *template == '\0' && *path == '\0';
}

static const struct route *find_route(const char *method, const char *path,
				      char params[2][CALL_PARAM_SIZE], struct buf *allow)
{
	for (const struct route *route = routes; route->method != NULL; route++) {
		if (!match(route->path, path, params)) {
			continue;
		}
		if (strcmp(route->method, method) == 0) {
			return route;
		}
		buf_printf(allow, "%s%s%s", allow->length > 0 ? ", " : "", route->method,
			   strcmp(route->method, "GET") == 0 ? ", HEAD" : "");
	}
	return NULL;
}

struct query_check {
	const char *const *known;
	char unknown[64]; /* the first one */
};

static bool check_query(void *arg, const char *name, const char *value)
{
	struct query_check *check = arg;
	const char *const *known = check->known;

	(void)value;
	for (; known != NULL && *known != NULL; known++) {
		/* A trailing dot stands for a family: "label.". */
		size_t n = strlen(*known);

		if (strcmp(*known, name) == 0 ||
		    ((*known)[n - 1] == '.' && strncmp(*known, name, n) == 0)) {
			return true;
		}
	}
	(void)snprintf(check->unknown, sizeof(check->unknown), "\"%s\"", name);
	return false;
}

static bool query_is_known(struct call *call)
{
	struct query_check check = {.known = call->route->query};

	request_each_query(call->request, check_query, &check);
	if (check.unknown[0] != '\0') {
		call_error(call, ERR_UNKNOWN_QUERY, "unknown query parameter %s", check.unknown);
		return false;
	}
	return true;
}

static bool answer_is_acceptable(struct call *call)
{
	const char *accept = request_header(call->request, "Accept");

	for (const char *const *media = call->route->media; *media != NULL; media++) {
		if (header_accepts(accept, *media)) {
			return true;
		}
	}
	call_error(call, ERR_NOT_ACCEPTABLE, "the answer is %s", call->route->media[0]);
	return false;
}

static void no_route(struct request *request, const struct buf *allow)
{
	struct err err;

	if (allow->length > 0) {
		request_add_header(request, "Allow", allow->bytes);
		(void)err_set(&err, ERR_METHOD, "%s is not possible here", request_method(request));
	} else {
		(void)err_set(&err, ERR_NOT_FOUND, "there is nothing at %.200s",
			      request_path(request));
	}
	request_problem(request, &err);
}

/* True when the body is fine, also when there is none and none is needed. */
static bool read_body(struct call *call)
{
	size_t length;
	const char *text = request_body(call->request, &length);
	struct err err;

	if (call->route->body == NO_BODY || (call->route->body == MAYBE_BODY && length == 0)) {
		return true;
	}
	call->body = json_parse(text, length, &body_limits, &err);
	if (call->body == NULL) {
		call_fail(call, &err);
	}
	return call->body != NULL;
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

void call_handle(struct request *request, void *arg)
{
	struct call *call = mem_new(1, sizeof(*call));
	struct buf allow;

	buf_init(&allow, 128);
	call->server = arg;
	call->request = request;
	call->refs = 1;
	request_set_context(request, call, on_request_over);
	call->route =
		find_route(request_method(request), request_path(request), call->params, &allow);
	if (call->route == NULL) {
		no_route(request, &allow);
		buf_finish(&allow);
		return;
	}
	buf_finish(&allow);
	if (query_is_known(call) && answer_is_acceptable(call) && read_body(call)) {
		call->route->handle(call);
	}
}
