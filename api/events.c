/*
 * The events of a job, or of all jobs, as a page or as a stream: read what is new, send it, wait for
 * more. Between waits a comment keeps the connection alive. The stream of a job ends when the job is
 * final and all was sent.
 *
 * What the client has not read yet is bounded by the request's queue. What does not fit there waits
 * here, one page at most, until the client has read on; one that stops reading is cut off by the
 * server.
 */
#include "api/document.h"
#include "api/http/header.h"
#include "api/page.h"
#include "api/resources.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum {
	STREAM_PAGE = 200,
	STREAM_PIECE = 16 * 1024,
	HEARTBEAT_MS = 15 * 1000,
	FULL_QUEUE_MS = 50,
};

struct feed {
	bool all;     /* of all jobs */
	char *types;  /* JSON; NULL for all */
	char *labels; /* of the jobs, JSON; NULL for any */
	int64_t seq;  /* of the last event that was read or passed over */
	int64_t head; /* of all jobs: the newest event */
	call_fn *go;  /* once `seq` is known */
	/* Of a stream. */
	int64_t version; /* what to wait behind; -1 when the job was final before the last query */
	bool elsewhere;  /* what happens to the job comes from another daemon */
	bool more;
	int64_t sent_ms; /* the last time that something was */
	struct buf pending;
	size_t written;
	struct store_hold hold; /* of all jobs: what is not read yet */
};

static void read_events(struct call *call);

static void destroy_feed(void *state)
{
	struct feed *feed = state;

	store_release(&feed->hold);
	buf_finish(&feed->pending);
	free(feed->types);
	free(feed->labels);
	free(feed);
}

static void send_pending(struct call *call)
{
	struct feed *feed = call->state;
	struct buf *pending = &feed->pending;

	while (feed->written < pending->length) {
		size_t left = pending->length - feed->written;
		size_t piece = left < STREAM_PIECE ? left : STREAM_PIECE;

		if (request_stream_write(call->request, pending->bytes + feed->written, piece) !=
		    0) {
			call_wait(call, NULL, 0, FULL_QUEUE_MS, send_pending);
			return;
		}
		feed->written += piece;
		feed->sent_ms = clock_mono_ms();
	}
	buf_clear(pending);
	feed->written = 0;
	if (feed->more) {
		read_events(call);
	} else if (feed->version < 0 && !feed->all) {
		request_stream_end(call->request);
	} else if (feed->all || feed->elsewhere) {
		call_wait_change(call, HEARTBEAT_MS, read_events);
	} else {
		call_wait(call, call->params[0], feed->version, HEARTBEAT_MS, read_events);
	}
}

static void add_event(struct feed *feed, char *const *cells)
{
	json_t *event = json_loads(cells[0], 0, NULL);
	int64_t n = json_integer_value(json_object_get(event, "n"));

	buf_printf(&feed->pending, "id: %s\nevent: %s\ndata: ", cells[1],
		   json_string_value(json_object_get(event, "type")));
	buf_text(&feed->pending, cells[0]);
	buf_text(&feed->pending, "\n\n");
	json_decref(event);
	feed->seq = strtoll(cells[1], NULL, 10);
	if (feed->version >= 0 && n > feed->version) {
		feed->version = n;
	}
}

static void on_events(struct call *call, const struct store_rows *rows)
{
	struct feed *feed = call->state;

	for (size_t i = 0; i < rows->count; i++) {
		add_event(feed, &rows->cells[i * rows->columns]);
	}
	if (rows->count == 0 && clock_mono_ms() - feed->sent_ms >= HEARTBEAT_MS) {
		buf_text(&feed->pending, ":\n\n");
	}
	feed->more = rows->count == STREAM_PAGE;
	if (feed->all && !feed->more) {
		feed->seq = feed->head;
	}
	send_pending(call);
}

static void put_query(struct call *call, int64_t limit, int64_t head,
		      void (*next)(struct call *call, const struct store_rows *rows))
{
	const struct feed *feed = call->state;
	const char *which = feed->all ? feed->labels : call->params[0];
	struct store_value values[] = {{.text = which, .is_null = which == NULL},
				       {.integer = feed->seq},
				       {.integer = limit},
				       {.text = feed->types, .is_null = feed->types == NULL},
				       {.integer = head},
				       call_only(call)};

	call_query(call, feed->all ? QUERY_ALL_EVENTS : QUERY_EVENTS, values, feed->all ? 6 : 4,
		   next);
}

/* What the filter keeps back is not looked at twice. */
static void on_head(struct call *call, const struct store_rows *rows)
{
	struct feed *feed = call->state;

	feed->head = strtoll(rows->cells[0], NULL, 10);
	feed->head = feed->head > feed->seq ? feed->head : feed->seq;
	put_query(call, STREAM_PAGE, feed->head, on_events);
}

static void on_state(struct call *call, const struct store_rows *rows)
{
	struct feed *feed = call->state;
	bool is_open = rows->count > 0 && !document_is_final(rows->cells[STATE_NAME]);

	feed->version = is_open ? strtoll(rows->cells[STATE_VERSION], NULL, 10) : -1;
	put_query(call, STREAM_PAGE, 0, on_events);
}

/* Whether the job is open is asked before its events are read, so that none can be missed. */
static void read_events(struct call *call)
{
	struct feed *feed = call->state;

	feed->hold.after = feed->seq;
	if (feed->all) {
		call_listen(call, STORE_JOBS);
		call_query(call, QUERY_LAST_EVENT, NULL, 0, on_head);
	} else if (document_is_elsewhere(call)) {
		feed->elsewhere = store_is_spare(call->server->store);
		call_listen_job(call);
		call_find(call, QUERY_JOB_STATE, on_state);
	} else {
		feed->version = tuner_version(call->server->tuner, call->params[0]);
		put_query(call, STREAM_PAGE, 0, on_events);
	}
}

static void start_stream(struct call *call)
{
	static const char retry[] = "retry: 2000\n\n";
	struct feed *feed = call->state;

	if (!request_may_wait(call->request)) {
		call_error(call, ERR_OVERLOADED, "too many clients are waiting");
		return;
	}
	feed->version = feed->all ? -1 : 0;
	feed->sent_ms = clock_mono_ms();
	request_add_header(call->request, "X-Accel-Buffering",
			   "no"); /* or nginx would wait for more */
	request_stream_begin(call->request, 200, "text/event-stream");
	(void)request_stream_write(call->request, retry, strlen(retry));
	read_events(call);
}

static void on_pruned(struct call *call, const struct store_rows *rows)
{
	const struct feed *feed = call->state;
	int64_t pruned = strtoll(rows->cells[0], NULL, 10);

	if (feed->seq < pruned) {
		call_error(call, ERR_GONE,
			   "events behind %lld, up to %lld, were deleted with their jobs: go on "
			   "with after=%lld for what is left of them",
			   (long long)feed->seq, (long long)pruned, (long long)feed->seq);
	} else {
		start_stream(call);
	}
}

/* Who was away is told that something was deleted meanwhile, unless somebody has asked for that. */
static void stream_of_all(struct call *call)
{
	struct feed *feed = call->state;
	struct store_value owner = call_only(call);

	feed->hold.after = feed->seq;
	(void)store_hold(call->server->store, &feed->hold);
	if (request_header(call->request, "Last-Event-ID") == NULL) {
		start_stream(call);
	} else {
		call_query(call, QUERY_PRUNED, &owner, 1, on_pruned);
	}
}

static void on_page(struct call *call, const struct store_rows *rows)
{
	page_reply(call, rows, 1, -1);
}

static void read_page(struct call *call, const struct store_rows *rows)
{
	struct feed *feed = call->state;
	char after[PAGE_FIELD_SIZE], unused[PAGE_FIELD_SIZE];

	(void)rows;
	if (page_read(call, after, unused)) {
		feed->seq = after[0] != '\0' ? strtoll(after, NULL, 10) : feed->seq;
		put_query(call, call->limit + 1, INT64_MAX, on_page);
	}
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
	if (!call_found(call, rows, "job")) {
		return;
	}
	if (request_header(call->request, "Last-Event-ID") != NULL &&
	    document_is_final(rows->cells[JOB_STATE])) {
		put_query(call, 1, 0, on_rest);
	} else {
		start_stream(call);
	}
}

static const char *const *event_types(void)
{
	static const char *types[LOGGED_TYPES_ + 1];

	for (enum logged type = 0; type < LOGGED_TYPES_; type++) {
		types[type] = logged_name(type);
	}
	return types;
}

static void on_newest(struct call *call, const struct store_rows *rows)
{
	struct feed *feed = call->state;

	feed->seq = strtoll(rows->cells[0], NULL, 10);
	feed->go(call);
}

/* Finds out behind which event to begin, then calls `go`. */
static void begin(struct call *call, bool all, bool stream, call_fn *go)
{
	const char *last = stream ? request_header(call->request, "Last-Event-ID") : NULL;
	const char *after = last != NULL ? last : request_query(call->request, "after");
	struct feed *feed = mem_new(1, sizeof(*feed));

	feed->all = all;
	feed->go = go;
	buf_init(&feed->pending, SIZE_MAX / 2);
	call->state = feed;
	call->state_destroy = destroy_feed;
	if (!page_choices(call, "type", event_types(), &feed->types)) {
		return;
	}
	feed->labels = all ? page_labels(call) : NULL;
	if (last == NULL && after != NULL && strcmp(after, "now") == 0) {
		call_query(call, QUERY_LAST_EVENT, NULL, 0, on_newest);
	} else if (after != NULL &&
		   (*after == '\0' || after[strspn(after, "0123456789")] != '\0')) {
		call_error(call, ERR_BAD_REQUEST, "%s must be the seq of an event%s",
			   last != NULL ? "Last-Event-ID" : "after",
			   last != NULL ? "" : " or \"now\"");
	} else {
		feed->seq = after != NULL ? strtoll(after, NULL, 10) : 0;
		go(call);
	}
}

static void find_job(struct call *call)
{
	call_find(call, QUERY_JOB, on_job);
}

static void page_of_job(struct call *call)
{
	char after[PAGE_FIELD_SIZE], unused[PAGE_FIELD_SIZE];

	if (page_read(call, after, unused)) {
		document_of_job(call, read_page);
	}
}

static void page_of_all(struct call *call)
{
	read_page(call, NULL);
}

static bool wants_stream(struct call *call)
{
	request_add_header(call->request, "Vary", "Accept");
	return header_prefers(request_header(call->request, "Accept"), "text/event-stream",
			      "application/json");
}

void events_get(struct call *call)
{
	bool stream = wants_stream(call);

	begin(call, false, stream, stream ? find_job : page_of_job);
}

void events_all(struct call *call)
{
	bool stream = wants_stream(call);

	if (!stream) {
		call_may_wait(call, STORE_JOBS);
	}
	begin(call, true, stream, stream ? stream_of_all : page_of_all);
}
