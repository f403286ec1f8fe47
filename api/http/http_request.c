/*
 * Follows one request from its first byte to its end, and gathers its body under the route's
 * limit.
 */
#include "api/http/http_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http/http_guard.h"
#include "base/log.h"
#include "base/mem.h"

enum { FIRST_BODY_BYTES = 4096 };

static bool is_id(const char *text)
{
	size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789._-");

	return length > 0 && length <= REQUEST_ID_MAX && text[length] == '\0';
}

/* PREFIX-NUMBER, by hand: most requests are short, and snprintf() is a good part of one. */
static void number_id(struct request *request)
{
	struct http *http = request->http;
	size_t length = strlen(http->id_prefix);
	char digits[24], *first = digits + sizeof(digits);

	for (uint64_t left = ++http->id_counter; left > 0; left /= 10) {
		*--first = (char)('0' + left % 10);
	}
	*--first = '-';
	memcpy(request->id, http->id_prefix, length);
	memcpy(request->id + length, first, (size_t)(digits + sizeof(digits) - first));
	request->id[length + (size_t)(digits + sizeof(digits) - first)] = '\0';
}

const char *request_id(const struct request *request)
{
	/* Made when somebody asks; the only thing that a const request learns late. */
	struct request *self = (struct request *)request;
	const char *theirs;

	if (self->id[0] == '\0') {
		theirs = request->state > REQUEST_HEAD ? request_header(request, "X-Request-Id")
						       : NULL;
		if (theirs != NULL && is_id(theirs)) {
			memcpy(self->id, theirs, strlen(theirs) + 1);
		} else {
			number_id(self);
		}
	}
	return self->id;
}

void *http_request_begin(void *owner, const char *target, struct MHD_Connection *mhd)
{
	struct http *http = owner;
	struct request *request = mem_new(1, sizeof(*request));
	struct err err ERR_UNCLEARED;

	request->http = http;
	request->begun_ns = uv_hrtime();
	request->conn = http_conn_of(mhd);
	request->mhd = mhd;
	request->target_end = target + strlen(target);
	request->conn->request = request;
	buf_init(&request->headers, REPLY_HEADERS_MAX);
	http->request_count++;
	http_conn_enter(request->conn, (int64_t)http->options.header_timeout_ms);
	/*
	 * Refused here and not once the headers are known, because MHD would decode the target now,
	 * and cannot cope with hundreds of query arguments.
	 */
	if (http_guard_target(target, &err) != 0) {
		http_conn_refuse(request->conn, &err);
	}
	return request;
}

void http_request_release(struct request *request)
{
	void (*destroy)(void *context) = request->destroy;

	request->destroy = NULL;
	if (destroy != NULL) {
		destroy(request->context);
	}
	request->context = NULL;
}

static void free_body(struct request *request)
{
	request->http->body_bytes -= request->body_capacity;
	request->body_capacity = request->body_length = 0;
	free(request->body);
	request->body = NULL;
}

static void tell_over(const struct request *request, bool complete)
{
	struct http *http = request->http;
	const struct http_over over = {
		.method = request->head ? MHD_HTTP_METHOD_HEAD : request->method,
		.path = request->path,
		.status = request->status,
		.received = request->received,
		.answered = request->streaming ? request->streamed
			    : request->head    ? 0
					       : request->reply_length,
		.seconds = (double)(uv_hrtime() - request->begun_ns) / 1e9,
		.complete = complete,
	};

	http->stats.cut += !complete;
	if (http->options.over != NULL) {
		http->options.over(request, &over, http->arg);
	}
}

void http_request_completed(void *owner, struct MHD_Connection *mhd, void **context,
			    enum MHD_RequestTerminationCode code)
{
	struct request *request = *context;
	struct http *http = owner;

	(void)mhd;
	if (request == NULL) {
		return;
	}
	tell_over(request, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
	*context = NULL;
	request->state = REQUEST_GONE;
	http_request_release(request);
	http_reply_finish(request);
	free_body(request);
	buf_finish(&request->headers);
	request->conn->request = NULL;
	http->request_count--;
	if (!request->conn->doomed) {
		http_conn_enter(request->conn, (int64_t)http->options.idle_timeout_ms);
	}
	free(request);
}

bool http_request_incomplete(const struct request *request)
{
	return request->state == REQUEST_HEAD || request->state == REQUEST_BODY;
}

void http_request_suspend(struct request *request)
{
	assert(!request->suspended);
	request->suspended = true;
	request->http->waiting_count++;
	MHD_suspend_connection(request->mhd);
}

void http_request_resume(struct request *request)
{
	if (request->suspended) {
		request->suspended = false;
		request->http->waiting_count--;
		MHD_resume_connection(request->mhd);
		http_mark_dirty(request->http);
	}
}

void http_request_abandon(struct request *request)
{
	request->state = REQUEST_GONE;
	http_request_release(request);
	http_request_resume(request);
}

/* Answers now when the body is not worth waiting for, otherwise once it has been discarded. */
static enum MHD_Result refuse(struct request *request, const struct err *err, bool close)
{
	if (close) {
		request_add_header(request, "Connection", "close");
	}
	if (err->code == ERR_MEDIA_TYPE && strcmp(request->method, "PATCH") == 0) {
		request_add_header(request, "Accept-Patch", HTTP_PATCH_TYPES);
	}
	request_problem(request, err);
	if (close) {
		return http_reply_queue(request);
	}
	request->state = REQUEST_BODY;
	return MHD_YES;
}

/*
 * MHD before 1.0 adds a folded line to the *name* of its header, and ends a line at a bare LF and a
 * value at a NUL. It works in place, which tells: between a name and its value are blanks and the
 * NUL that was the colon, and behind the value are two NULs that were CR and LF.
 */
static bool is_plain_line(const char *name_end, const char *value, size_t value_length)
{
	if (MHD_VERSION >= 0x01000000 || value == NULL) {
		return true;
	}
	while (name_end < value && (*name_end == '\0' || *name_end == ' ' || *name_end == '\t')) {
		name_end++;
	}
	return name_end == value && value[value_length + 1] == '\0';
}

static enum MHD_Result add_to_guard(void *arg, enum MHD_ValueKind kind, const char *name,
				    size_t name_length, const char *value, size_t value_length)
{
	struct http_guard *guard = arg;

	(void)kind;
	if (!is_plain_line(name + name_length, value, value_length)) {
		guard->malformed = true;
	}
	http_guard_add(guard, name, name_length, value != NULL ? value : "", value_length);
	return MHD_YES;
}

static enum MHD_Result on_head(struct request *request, const char *version)
{
	const struct http_options *options = &request->http->options;
	const struct http_guard_rules rules = {
		.method = request->method,
		.version = version,
		.secure = request->conn->listener->socket.is_tls,
		.check_host = request->conn->listener->socket.is_loopback,
		.allowed_hosts = options->allowed_hosts,
		.max_body = options->max_body,
	};
	struct http_guard guard = {0};
	struct http_guard_verdict verdict;
	struct err err ERR_UNCLEARED;

	/*
	 * MHD ends a target with NUL in place, one byte before the version. Anything else there means
	 * that the line had more between the two than MHD lets us see, for example a NUL.
	 */
	guard.malformed = version != request->target_end + 1;
	(void)MHD_get_connection_values_n(request->mhd, MHD_HEADER_KIND, add_to_guard, &guard);
	request->state = REQUEST_BODY;
	if (http_guard_check(&guard, &rules, &verdict, &err) != 0) {
		return refuse(request, &err, verdict.close);
	}
	if (request->http->stopping) {
		(void)err_set(&err, ERR_DRAINING, "the daemon is stopping; try again");
		return refuse(request, &err, true);
	}
	if (verdict.has_body) {
		http_conn_enter(request->conn, (int64_t)options->body_timeout_ms);
	}
	return MHD_YES;
}

/* Makes room for `more` bytes and a NUL. */
static int grow_body(struct request *request, size_t more, struct err *reterr)
{
	struct http *http = request->http;
	size_t need = request->body_length + more + 1;
	size_t capacity = request->body_capacity > 0 ? request->body_capacity : FIRST_BODY_BYTES;
	size_t added;
	char *body;

	if (need - 1 > http->options.max_body) {
		return err_set(reterr, ERR_TOO_LARGE, "the body has more than %zu bytes",
			       http->options.max_body);
	}
	if (need <= request->body_capacity) {
		return 0;
	}
	while (capacity < need) {
		capacity *= 2;
	}
	capacity = capacity < http->options.max_body + 1 ? capacity : http->options.max_body + 1;
	added = capacity - request->body_capacity;
	if (http->body_bytes + added > BODIES_AT_ONCE * (http->options.max_body + 1)) {
		return err_set(reterr, ERR_OVERLOADED, "too many large requests at once");
	}
	body = mem_is_short() && capacity > FIRST_BODY_BYTES ? NULL
							     : realloc(request->body, capacity);
	if (body == NULL) {
		return err_set(reterr, ERR_NO_MEMORY, "no memory for the body");
	}
	request->body = body;
	request->body_capacity = capacity;
	http->body_bytes += added;
	return 0;
}

/*
 * An answer cannot be queued in the middle of a body: what comes after a refusal is counted and
 * thrown away. A client that sends on and on gets a last word and is cut off.
 */
static enum MHD_Result on_data(struct request *request, const char *data, size_t length)
{
	struct err err ERR_UNCLEARED;

	request->conn->deadline += (int64_t)(length / SLOWEST_BYTES_PER_MS);
	request->received += length;
	if (request->response == NULL) {
		if (grow_body(request, length, &err) == 0) {
			memcpy(request->body + request->body_length, data, length);
			request->body_length += length;
			request->body[request->body_length] = '\0';
			return MHD_YES;
		}
		free_body(request);
		return refuse(request, &err, false);
	}
	request->body_length += length;
	if (request->body_length > request->http->options.max_body) {
		(void)err_set(&err, ERR_TOO_LARGE, "the body has more than %zu bytes",
			      request->http->options.max_body);
		http_conn_refuse(request->conn, &err);
		return MHD_NO;
	}
	return MHD_YES;
}

static enum MHD_Result on_complete(struct request *request)
{
	struct loop *loop = request->http->loop;
	uint64_t since;

	if (request->response != NULL) {
		return http_reply_queue(request);
	}
	request->state = REQUEST_HANDLING;
	request->handled_ns = uv_hrtime();
	http_conn_enter(request->conn, HTTP_NO_DEADLINE);
	since = loop_piece_begin(loop);
	request->http->handler(request, request->http->arg);
	loop_piece_end(loop, since, request->path);
	if (request->state == REQUEST_ANSWERED) {
		return http_reply_queue(request);
	}
	request->state = REQUEST_WAITING;
	http_request_suspend(request);
	return MHD_YES;
}

enum MHD_Result http_request_access(void *http, struct MHD_Connection *mhd, const char *path,
				    const char *method, const char *version, const char *data,
				    size_t *size, void **context)
{
	struct request *request = *context;
	size_t length = *size;

	(void)http;
	(void)mhd;
	*size = 0;
	switch (request->state) {
	case REQUEST_HEAD:
		request->head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
		request->method = request->head ? MHD_HTTP_METHOD_GET : method;
		request->path = path;
		return on_head(request, version);
	case REQUEST_BODY:
		return length > 0 ? on_data(request, data, length) : on_complete(request);
	case REQUEST_ANSWERED:
		return http_reply_queue(request);
	default:
		return MHD_NO;
	}
}

const char *request_method(const struct request *request)
{
	return request->method;
}

const char *request_path(const struct request *request)
{
	return request->path;
}

const char *request_header(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

const char *request_query(const struct request *request, const char *name)
{
	const char *value = NULL;
	size_t length;

	if (MHD_lookup_connection_value_n(request->mhd, MHD_GET_ARGUMENT_KIND, name, strlen(name),
					  &value, &length) != MHD_YES) {
		return NULL;
	}
	return value != NULL ? value : "";
}

struct query_visit {
	bool (*fn)(void *arg, const char *name, const char *value);
	void *arg;
};

static enum MHD_Result visit_query(void *arg, enum MHD_ValueKind kind, const char *name,
				   const char *value)
{
	const struct query_visit *visit = arg;

	(void)kind;
	return visit->fn(visit->arg, name, value != NULL ? value : "") ? MHD_YES : MHD_NO;
}

void request_each_query(const struct request *request,
			bool (*fn)(void *arg, const char *name, const char *value), void *arg)
{
	struct query_visit visit = {fn, arg};

	(void)MHD_get_connection_values(request->mhd, MHD_GET_ARGUMENT_KIND, visit_query, &visit);
}

const char *request_body(const struct request *request, size_t *ret_length)
{
	*ret_length = request->body_length;
	return request->body != NULL ? request->body : "";
}

void request_set_context(struct request *request, void *context, void (*destroy)(void *context))
{
	request->context = context;
	request->destroy = destroy;
}

void *request_context(const struct request *request)
{
	return request->context;
}

bool request_may_wait(struct request *request)
{
	const struct http *http = request->http;

	request->waits = true;
	return !http->stopping && http->waiting_count < http->options.max_connections / 2;
}
