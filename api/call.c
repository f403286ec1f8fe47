#include "api/call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/hash.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

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

void call_unref(struct call *call)
{
	if (--call->refs > 0) {
		return;
	}
	if (call->key != NULL) {
		map_remove(&call->server->keys, call->key);
	}
	if (call->state_destroy != NULL) {
		call->state_destroy(call->state);
	}
	target_finish(&call->target);
	json_decref(call->body);
	free(call->key);
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

void call_fail(struct call *call, const struct err *err)
{
	if (call->request != NULL) {
		request_problem(call->request, err);
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

void call_reply_text(struct call *call, int status, const char *type, char *text)
{
	if (call->request == NULL) {
		free(text);
		return;
	}
	request_reply(call->request, status, type, text, strlen(text));
}

void call_reply_json(struct call *call, int status, json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15));

	json_decref(value);
	call_reply_text(call, status, "application/json", text != NULL ? text : mem_dup("null"));
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

void call_wait(struct call *call, const char *job, int64_t version, unsigned seconds, call_fn *then)
{
	struct wait *wait = mem_new(1, sizeof(*wait));

	wait->call = call;
	wait->then = then;
	call->wait = wait;
	loop_timer_init(call->server->loop, &wait->timer, on_wait_over, wait);
	loop_timer_start(&wait->timer, (uint64_t)seconds * 1000);
	call->watch = tuner_watch(call->server->tuner, job, version, on_news, call);
}

/* "abc" as a structured-field string, or a bare word; NULL when neither. */
static char *read_key(const char *header)
{
	size_t n = strlen(header);
	bool quoted = n >= 2 && header[0] == '"' && header[n - 1] == '"';
	const char *start = quoted ? header + 1 : header;

	n -= quoted ? 2 : 0;
	if (n == 0 || n > LIMIT_KEY_BYTES) {
		return NULL;
	}
	for (size_t i = 0; i < n; i++) {
		if (start[i] <= 0x20 || start[i] > 0x7E || start[i] == '"') {
			return NULL;
		}
	}
	return mem_dup_n(start, n);
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
	if (rows->count == 0) {
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
	call->key = read_key(header);
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
		buf_printf(allow, "%s%s", allow->length > 0 ? ", " : "", route->method);
	}
	return NULL;
}

static bool check_query(void *arg, const char *name, const char *value)
{
	struct call *call = arg;
	const char *const *known = call->route->query;

	(void)value;
	for (; known != NULL && *known != NULL; known++) {
		/* A trailing dot stands for a family: "label.". */
		size_t n = strlen(*known);

		if (strcmp(*known, name) == 0 ||
		    ((*known)[n - 1] == '.' && strncmp(*known, name, n) == 0)) {
			return true;
		}
	}
	(void)snprintf(call->fingerprint, sizeof(call->fingerprint), "%.60s", name);
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
	request_each_query(request, check_query, call);
	if (call->fingerprint[0] != '\0') {
		call_error(call, ERR_UNKNOWN_QUERY, "unknown query parameter \"%s\"",
			   call->fingerprint);
		return;
	}
	if (read_body(call)) {
		call->route->handle(call);
	}
}
