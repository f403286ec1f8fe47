#include "api/document.h"
#include "api/page.h"
#include "api/resources.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"

/*
 * The event stream of a job: read what is new, send it, wait for more. Between waits a comment
 * keeps the connection alive. The stream ends when the job is no longer open and all was sent.
 */

enum { STREAM_PAGE = 500, HEARTBEAT_S = 15 };

static void send_more(struct call *call);

static void on_stream_rows(struct call *call, const struct store_rows *rows)
{
	struct buf text;

	buf_init(&text, SIZE_MAX / 2);
	for (size_t i = 0; i < rows->count; i++) {
		char *const *cells = &rows->cells[i * rows->columns];
		json_t *event = json_loads(cells[0], 0, NULL);

		buf_printf(&text, "id: %s\nevent: %s\ndata: %s\n\n", cells[1],
			   json_string_value(json_object_get(event, "type")), cells[0]);
		(void)snprintf(call->fingerprint, sizeof(call->fingerprint), "%s", cells[1]);
		call->version = json_integer_value(json_object_get(event, "n"));
		json_decref(event);
	}
	if (text.length > 0 && request_stream_write(call->request, text.bytes, text.length) != 0) {
		buf_finish(&text);
		request_stream_end(call->request);
		return;
	}
	buf_finish(&text);
	if (rows->count == STREAM_PAGE) {
		send_more(call);
	} else if (tuner_version(call->server->tuner, call->params[0]) < 0) {
		request_stream_end(call->request);
	} else {
		call_wait(call, call->params[0], call->version, HEARTBEAT_S, send_more);
	}
}

static void send_more(struct call *call)
{
	struct store_value values[] = {{.text = call->params[0]},
				       {.integer = strtoll(call->fingerprint, NULL, 10)},
				       {.integer = STREAM_PAGE}};

	if (request_stream_write(call->request, ":\n\n", 3) != 0) {
		request_stream_end(call->request);
		return;
	}
	call_query(call, QUERY_EVENTS, values, 3, on_stream_rows);
}

static void start_stream(struct call *call)
{
	const char *last = request_header(call->request, "Last-Event-ID");

	if (!request_may_wait(call->request)) {
		call_error(call, ERR_OVERLOADED, "too many clients are waiting");
		return;
	}
	(void)snprintf(call->fingerprint, sizeof(call->fingerprint), "%.20s",
		       last != NULL ? last : "0");
	request_stream_begin(call->request, 200, "text/event-stream");
	(void)request_stream_write(call->request, "retry: 2000\n\n", 13);
	send_more(call);
}

static void on_page(struct call *call, const struct store_rows *rows)
{
	page_reply(call, rows, call->version, 1, -1);
}

static void start_page(struct call *call)
{
	char after[80], unused[80];
	struct store_value values[3] = {{.text = call->params[0]}};

	if (!page_cursor(call, after, unused, sizeof(after))) {
		return;
	}
	call->version = page_limit(call);
	values[1].integer = strtoll(after, NULL, 10);
	values[2].integer = call->version + 1;
	call_query(call, QUERY_EVENTS, values, 3, on_page);
}

static void on_job(struct call *call, const struct store_rows *rows)
{
	const char *accept = request_header(call->request, "Accept");

	if (rows->count == 0) {
		call_error(call, ERR_NOT_FOUND, "no job has the id %s", call->params[0]);
	} else if (accept != NULL && strstr(accept, "text/event-stream") != NULL) {
		start_stream(call);
	} else {
		start_page(call);
	}
}

void events_get(struct call *call)
{
	struct store_value id = {.text = call->params[0]};

	call_query(call, QUERY_JOB, &id, 1, on_job);
}
