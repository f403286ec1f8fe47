/* Hands answers and streams to libmicrohttpd, and cuts off clients that do not read them. */
#include "api/http/http_internal.h"

#include <assert.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>

#include "api/http/problem.h"
#include "base/mem.h"

enum {
	STREAM_BLOCK = 8 * 1024,
	/* Longer answers are handed over in blocks, so that we see whether the client takes them. */
	ONE_PIECE_MAX = 64 * 1024,
	LARGE_BLOCK = 64 * 1024,
	/* A client that takes less in this time is too slow. */
	SLOW_AFTER_MS = 10 * 1000,
	SLOW_BYTES = 10 * 1024,
};

void request_add_header(struct request *request, const char *name, const char *value)
{
	buf_add(&request->headers, name, strlen(name) + 1);
	buf_add(&request->headers, value, strlen(value) + 1);
	if (strcasecmp(name, MHD_HTTP_HEADER_CACHE_CONTROL) == 0) {
		request->has_cache_control = true;
	}
}

void request_forget_headers(struct request *request)
{
	buf_clear(&request->headers);
	request->has_cache_control = false;
}

static void add_headers(struct request *request, const char *content_type)
{
	struct MHD_Response *response = request->response;
	const char *s = request->headers.bytes;
	const char *end = s + request->headers.length;

	while (s < end) {
		const char *value = s + strlen(s) + 1;

		(void)MHD_add_response_header(response, s, value);
		s = value + strlen(value) + 1;
	}
	if (content_type != NULL) {
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
	}
	if (!request->has_cache_control) {
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	}
	if (request->http->stopping) {
		(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	}
	(void)MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	(void)MHD_add_response_header(response, "X-Request-Id", request_id(request));
}

static void note_answer(const struct request *request)
{
	struct http_stats *stats = &request->http->stats;
	int class = request->status / 100 - 2;

	if (request->waits) {
		stats->waits++;
	} else if (class >= 0 && class < HTTP_CLASSES) {
		histogram_add(&stats->answer_time[class],
			      request->handled_ns > 0
				      ? (double)(uv_hrtime() - request->handled_ns) / 1e9
				      : 0);
	}
}

/* The answer is there: MHD gets it when the access callback returns, or comes back for it. */
static void answer(struct request *request, int status, const char *content_type,
		   struct MHD_Response *response)
{
	assert(response != NULL && request->response == NULL);
	request->status = status;
	request->response = response;
	request->state = REQUEST_ANSWERED;
	note_answer(request);
	add_headers(request, content_type);
	http_request_resume(request);
}

static int64_t idle_ms(const struct request *request)
{
	return (int64_t)request->http->options.idle_timeout_ms;
}

/* Whether the client takes it is seen by http_reply_is_slow(): the kernel buffers megabytes at once. */
static ssize_t read_large(void *arg, uint64_t position, char *to, size_t max)
{
	struct request *request = arg;
	size_t left = request->reply_length - position;
	size_t length = left < max ? left : max;

	if (request->state == REQUEST_GONE) {
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	memcpy(to, request->reply + position, length);
	request->reply_given = position + length;
	return (ssize_t)length;
}

/* One budget for all clients; a single answer may have more, when nobody else has any. */
static bool reserve(struct http *http, size_t length)
{
	if (http->reply_bytes > 0 && http->reply_bytes + length > LIMIT_REPLIES_BYTES) {
		http->refused_at = http_now(http);
		return false;
	}
	http->reply_bytes += length;
	return true;
}

bool request_may_be_long(const struct request *request)
{
	bool may = request->http->reply_bytes <= LIMIT_REPLIES_BYTES / 2 && !mem_is_short();

	if (!may) {
		request->http->refused_at = http_now(request->http);
	}
	return may;
}

static void refuse(struct request *request)
{
	struct err err;

	request_forget_headers(request);
	request_add_header(request, MHD_HTTP_HEADER_CONNECTION, "close"); /* it may never read */
	(void)err_set(&err, ERR_OVERLOADED,
		      "too much waits to be read by other clients: try again later");
	request_problem(request, &err);
}

/* What the kernel still holds has not been taken. */
static size_t taken_of(const struct request *request)
{
	int held = 0;

	(void)ioctl(request->conn->fd, SIOCOUTQ, &held);
	return request->reply_given -
	       ((size_t)held < request->reply_given ? (size_t)held : request->reply_given);
}

/* Whether too little was taken in the span of time that ends now, if one does. */
static bool falls_behind(struct reply_pace *pace, int64_t now, bool wanted)
{
	size_t taken = pace->taken - pace->mark;

	if (now - pace->marked_at < SLOW_AFTER_MS) {
		return false;
	}
	pace->mark = pace->taken;
	pace->marked_at = now;
	return taken < SLOW_BYTES && (taken > 0 || wanted);
}

/*
 * One that takes something, but less than 1 KiB/s, is too slow; one that takes nothing at all has the
 * idle time-out, unless others want the memory.
 */
bool http_reply_is_slow(struct request *request, int64_t now)
{
	struct reply_pace *pace = &request->pace;
	size_t taken;

	if (request->reply == NULL || request->state != REQUEST_REPLYING) {
		return false;
	}
	taken = taken_of(request);
	if (pace->marked_at == 0) {
		pace->marked_at = pace->moved_at = now;
	}
	if (taken > pace->taken) {
		pace->taken = taken;
		pace->moved_at = now;
	}
	return taken < request->reply_length &&
	       (falls_behind(pace, now, request->http->refused_at >= pace->marked_at) ||
		now - pace->moved_at >= idle_ms(request));
}

void request_reply(struct request *request, int status, const char *content_type, char *body,
		   size_t length)
{
	struct MHD_Response *response;

	if (length > ONE_PIECE_MAX && !reserve(request->http, length)) {
		free(body);
		refuse(request);
		return;
	}
	request->reply_length = length;
	if (length <= ONE_PIECE_MAX) {
		response = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
	} else {
		request->reply = body;
		response = MHD_create_response_from_callback(length, LARGE_BLOCK, read_large,
							     request, NULL);
	}
	answer(request, status, content_type, response);
}

bool request_is_stream(const struct request *request)
{
	return request->streaming;
}

void request_problem(struct request *request, const struct err *err)
{
	int status = err_http_status(err->code);
	size_t length;
	char *text = problem_text(err, request->path, request_id(request), &length);

	if (status == MHD_HTTP_TOO_MANY_REQUESTS || status == MHD_HTTP_SERVICE_UNAVAILABLE ||
	    status == MHD_HTTP_INSUFFICIENT_STORAGE) {
		request_add_header(request, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	}
	request_reply(request, status, PROBLEM_TYPE, text, length);
}

/* A stream may last; what must not is a client that leaves written bytes unread (stream_moved). */
enum MHD_Result http_reply_queue(struct request *request)
{
	struct MHD_Response *response = request->response;
	enum MHD_Result result;

	request->state = REQUEST_REPLYING;
	request->response = NULL;
	http_conn_enter(request->conn, request->streaming
					       ? HTTP_NO_DEADLINE
					       : idle_ms(request) + (int64_t)request->reply_length /
									    SLOWEST_BYTES_PER_MS);
	result = MHD_queue_response(request->mhd, (unsigned)request->status, response);
	MHD_destroy_response(response);
	return result;
}

void http_reply_finish(struct request *request)
{
	if (request->response != NULL) {
		MHD_destroy_response(request->response);
		request->response = NULL;
	}
	if (request->reply != NULL) {
		request->http->reply_bytes -= request->reply_length;
	}
	free(request->reply);
	buf_finish(&request->queue);
}

static size_t stream_unread(const struct request *request)
{
	return request->queue.length - request->queue_start;
}

/* The clock of a slow reader runs from when bytes begin to wait, and anew whenever some leave. */
static void stream_moved(struct request *request)
{
	http_conn_enter(request->conn,
			stream_unread(request) > 0 ? idle_ms(request) : HTTP_NO_DEADLINE);
}

/* MHD asks again and again as long as 0 is returned, unless the connection is suspended. */
static ssize_t read_stream(void *arg, uint64_t position, char *to, size_t max)
{
	struct request *request = arg;
	size_t length = stream_unread(request);

	(void)position;
	if (request->state == REQUEST_GONE) {
		return MHD_CONTENT_READER_END_WITH_ERROR;
	}
	if (length == 0 && request->stream_ended) {
		return MHD_CONTENT_READER_END_OF_STREAM;
	}
	if (length == 0) {
		http_request_suspend(request);
		return 0;
	}
	length = length < max ? length : max;
	memcpy(to, request->queue.bytes + request->queue_start, length);
	request->queue_start += length;
	request->streamed += length;
	if (stream_unread(request) == 0) {
		buf_clear(&request->queue);
		request->queue_start = 0;
	}
	stream_moved(request);
	return (ssize_t)length;
}

void request_stream_begin(struct request *request, int status, const char *content_type)
{
	struct MHD_Response *response = MHD_create_response_from_callback(
		MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, request, NULL);

	request->streaming = true;
	if (request->head) {
		/* Chunked, MHD would end the body that is not there, out of step with the client. */
		(void)MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT,
					       MHD_RO_END);
	}
	/* Twice the limit, because sent bytes stay in front until half of the queue is such. */
	buf_init(&request->queue, (size_t)2 * LIMIT_SSE_QUEUE_BYTES);
	answer(request, status, content_type, response);
}

static void forget_sent(struct request *request)
{
	struct buf *queue = &request->queue;

	if (request->queue_start * 2 >= queue->length && request->queue_start > 0) {
		queue->length -= request->queue_start;
		memmove(queue->bytes, queue->bytes + request->queue_start, queue->length);
		request->queue_start = 0;
	}
}

int request_stream_write(struct request *request, const void *bytes, size_t length)
{
	bool was_empty = stream_unread(request) == 0;

	if (stream_unread(request) + length > LIMIT_SSE_QUEUE_BYTES) {
		return -(int)ERR_TOO_LARGE;
	}
	forget_sent(request);
	buf_add(&request->queue, bytes, length);
	if (was_empty && request->state == REQUEST_REPLYING) {
		stream_moved(request);
	}
	http_request_resume(request);
	return 0;
}

void request_stream_end(struct request *request)
{
	request->stream_ended = true;
	http_request_resume(request);
}
