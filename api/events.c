#include "api/document.h"
#include "api/header.h"
#include "api/page.h"
#include "api/resources.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/*
 * The event stream of a job: read what is new, send it, wait for more. Between waits a comment
 * keeps the connection alive. The stream ends when the job is final and all was sent.
 *
 * What the client has not read yet is bounded by the request's queue. What does not fit there waits
 * here, one page at most, until the client has read on; one that stops reading is cut off by the
 * server.
 */

enum {
	STREAM_PAGE = 200,
	STREAM_PIECE = 16 * 1024,
	HEARTBEAT_MS = 15 * 1000,
	FULL_QUEUE_MS = 50,
};

struct stream {
	int64_t seq;     /* of the last event that was read */
	int64_t version; /* what to wait behind; -1 when the job was final before the last query */
	bool more;
	struct buf pending;
	size_t written;
};

static void read_events(struct call *call);

static void destroy_stream(void *state)
{
	struct stream *stream = state;

	buf_finish(&stream->pending);
	free(stream);
}

static void send_pending(struct call *call)
{
	struct stream *stream = call->state;
	struct buf *pending = &stream->pending;

	while (stream->written < pending->length) {
		size_t left = pending->length - stream->written;
		size_t piece = left < STREAM_PIECE ? left : STREAM_PIECE;

		if (request_stream_write(call->request, pending->bytes + stream->written, piece) !=
		    0) {
			call_wait(call, NULL, 0, FULL_QUEUE_MS, send_pending);
			return;
		}
		stream->written += piece;
	}
	buf_clear(pending);
	stream->written = 0;
	if (stream->more) {
		read_events(call);
	} else if (stream->version < 0) {
		request_stream_end(call->request);
	} else {
		call_wait(call, call->params[0], stream->version, HEARTBEAT_MS, read_events);
	}
}

static void add_event(struct stream *stream, char *const *cells)
{
	json_t *event = json_loads(cells[0], 0, NULL);
	int64_t n = json_integer_value(json_object_get(event, "n"));

	buf_printf(&stream->pending, "id: %s\nevent: %s\ndata: ", cells[1],
		   json_string_value(json_object_get(event, "type")));
	buf_text(&stream->pending, cells[0]);
	buf_text(&stream->pending, "\n\n");
	json_decref(event);
	stream->seq = strtoll(cells[1], NULL, 10);
	if (stream->version >= 0 && n > stream->version) {
		stream->version = n;
	}
}

static void on_events(struct call *call, const struct store_rows *rows)
{
	struct stream *stream = call->state;

	for (size_t i = 0; i < rows->count; i++) {
		add_event(stream, &rows->cells[i * rows->columns]);
	}
	if (rows->count == 0) {
		buf_text(&stream->pending, ":\n\n");
	}
	stream->more = rows->count == STREAM_PAGE;
	send_pending(call);
}

/* Whether the job is open is asked before its events are read, so that none can be missed. */
static void read_events(struct call *call)
{
	struct stream *stream = call->state;
	struct store_value values[] = {
		{.text = call->params[0]}, {.integer = stream->seq}, {.integer = STREAM_PAGE}};

	stream->version = tuner_version(call->server->tuner, call->params[0]);
	call_query(call, QUERY_EVENTS, values, 3, on_events);
}

static void start_stream(struct call *call)
{
	static const char retry[] = "retry: 2000\n\n";
	const char *last = request_header(call->request, "Last-Event-ID");
	struct stream *stream;

	if (!request_may_wait(call->request)) {
		call_error(call, ERR_OVERLOADED, "too many clients are waiting");
		return;
	}
	stream = mem_new(1, sizeof(*stream));
	buf_init(&stream->pending, SIZE_MAX / 2);
	stream->seq = last != NULL ? strtoll(last, NULL, 10) : 0;
	call->state = stream;
	call->state_destroy = destroy_stream;
	request_stream_begin(call->request, 200, "text/event-stream");
	(void)request_stream_write(call->request, retry, strlen(retry));
	read_events(call);
}

static void on_page(struct call *call, const struct store_rows *rows)
{
	page_reply(call, rows, 1, -1);
}

static void read_page(struct call *call, const struct store_rows *rows)
{
	char after[PAGE_FIELD_SIZE], unused[PAGE_FIELD_SIZE];
	struct store_value values[3] = {{.text = call->params[0]}};

	(void)rows;
	if (!page_read(call, after, unused)) {
		return;
	}
	values[1].integer = strtoll(after, NULL, 10);
	values[2].integer = call->limit + 1;
	call_query(call, QUERY_EVENTS, values, 3, on_page);
}

/* Nothing comes any more: 204 is what stops a browser's EventSource from asking again and again. */
static void on_rest(struct call *call, const struct store_rows *rows)
{
	if (rows->count == 0) {
		call_reply_empty(call, 204);
	} else {
		start_stream(call);
	}
}

static void on_job(struct call *call, const struct store_rows *rows)
{
	const char *last = request_header(call->request, "Last-Event-ID");
	struct store_value values[] = {{.text = call->params[0]}, {0}, {.integer = 1}};

	if (rows->count == 0) {
		call_error(call, ERR_NOT_FOUND, "no job has the id %s", call->params[0]);
	} else if (last != NULL && strspn(last, "0123456789") != strlen(last)) {
		call_error(call, ERR_BAD_REQUEST, "Last-Event-ID must be the seq of an event");
	} else if (last != NULL && document_is_final(rows->cells[JOB_STATE])) {
		values[1].integer = strtoll(last, NULL, 10);
		call_query(call, QUERY_EVENTS, values, 3, on_rest);
	} else {
		start_stream(call);
	}
}

void events_get(struct call *call)
{
	struct store_value id = {.text = call->params[0]};

	request_add_header(call->request, "Vary", "Accept");
	if (header_prefers(request_header(call->request, "Accept"), "text/event-stream",
			   "application/json")) {
		call_query(call, QUERY_JOB, &id, 1, on_job);
	} else {
		document_of_job(call, read_page);
	}
}
