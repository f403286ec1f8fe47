/*
 * A small daemon around api/http/http.h for tests/api/test_http_server.py and bench/http: routes that
 * answer at once, later, never, or as a stream, with every limit as an option.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http/http.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"

enum { LISTENERS_MAX = 8, CONNECTIONS_PER_IP = 64, JSON_FIELD_BYTES = 580 };

struct probe {
	struct loop *loop;
	struct http *http;
	uv_signal_t term;
	uint64_t stop_ms;
	long contexts_made;
	long contexts_destroyed;
	char hello[JSON_FIELD_BYTES + 32];
};

/* One request that is answered later; its memory outlives the request until the timer is closed. */
struct late {
	struct probe *probe;
	struct request *request;
	struct loop_timer timer;
	uint64_t every_ms;
	long lines; /* still to be streamed */
	bool stream;
};

static void free_late(void *arg)
{
	free(arg);
}

static void destroy_late(void *context)
{
	struct late *late = context;

	late->probe->contexts_destroyed++;
	late->request = NULL;
	loop_timer_close(&late->timer, free_late);
}

static void reply_text(struct request *request, int status, const char *text)
{
	request_reply(request, status, "application/json", mem_dup(text), strlen(text));
}

static void on_late(void *arg)
{
	struct late *late = arg;

	if (!late->stream) {
		reply_text(late->request, 200, "{\"late\":true}");
		return;
	}
	if (late->lines-- == 0) {
		request_stream_end(late->request);
		return;
	}
	(void)request_stream_write(late->request, "data: tick\n\n", strlen("data: tick\n\n"));
	loop_timer_start(&late->timer, late->every_ms);
}

static long query_number(const struct request *request, const char *name, long fallback)
{
	const char *text = request_query(request, name);

	return text != NULL ? strtol(text, NULL, 10) : fallback;
}

static struct late *make_late(struct probe *probe, struct request *request)
{
	struct late *late = mem_new(1, sizeof(*late));

	late->probe = probe;
	late->request = request;
	late->every_ms = (uint64_t)query_number(request, "ms", 10);
	late->lines = query_number(request, "lines", 3);
	loop_timer_init(probe->loop, &late->timer, on_late, late);
	request_set_context(request, late, destroy_late);
	probe->contexts_made++;
	return late;
}

static void get_hello(struct probe *probe, struct request *request)
{
	reply_text(request, 200, probe->hello);
}

static void post_echo(struct probe *probe, struct request *request)
{
	size_t length;
	const char *body = request_body(request, &length);

	(void)probe;
	request_add_header(request, "Cache-Control", "max-age=1");
	request_add_header(request, "X-Method", request_method(request));
	request_reply(request, 200, "application/json", mem_dup_n(body, length), length);
}

static void any_late(struct probe *probe, struct request *request)
{
	struct err err;

	if (!request_may_wait(request)) {
		(void)err_set(&err, ERR_OVERLOADED, "too many requests wait already");
		request_problem(request, &err);
		return;
	}
	loop_timer_start(&make_late(probe, request)->timer,
			 (uint64_t)query_number(request, "ms", 10));
}

static void get_stream(struct probe *probe, struct request *request)
{
	struct late *late = make_late(probe, request);

	late->stream = true;
	request_stream_begin(request, 200, "text/event-stream");
	(void)request_stream_write(request, ": hello\n\n", strlen(": hello\n\n"));
	loop_timer_start(&late->timer, late->every_ms);
}

/* Writes until the queue is full, as a producer does whose client does not read. */
static void get_flood(struct probe *probe, struct request *request)
{
	char block[1000];
	size_t written = 0;

	(void)probe;
	memset(block, 'x', sizeof(block));
	request_stream_begin(request, 200, "text/plain");
	while (request_stream_write(request, block, sizeof(block)) == 0) {
		written += sizeof(block);
	}
	if (written > LIMIT_SSE_QUEUE_BYTES) {
		abort();
	}
	request_stream_end(request);
}

static void get_large(struct probe *probe, struct request *request)
{
	size_t length = (size_t)query_number(request, "bytes", 1);
	char *body = mem_new(length, 1);

	(void)probe;
	memset(body, 'y', length);
	request_reply(request, 200, "text/plain", body, length);
}

static bool add_argument(void *arg, const char *name, const char *value)
{
	struct buf *buf = arg;

	buf_text(buf, ",[");
	buf_json_string(buf, name, strlen(name));
	buf_text(buf, ",");
	buf_json_string(buf, value, strlen(value));
	buf_text(buf, "]");
	return true;
}

static void get_seen(struct probe *probe, struct request *request)
{
	const char *value = request_query(request, "a");
	struct buf buf;
	size_t length;
	char *text;

	(void)probe;
	buf_init(&buf, LIMIT_BODY_BYTES);
	buf_text(&buf, "[");
	buf_json_string(&buf, request_path(request), strlen(request_path(request)));
	buf_text(&buf, ",");
	buf_json_string(&buf, value != NULL ? value : "absent",
			strlen(value != NULL ? value : "absent"));
	request_each_query(request, add_argument, &buf);
	buf_text(&buf, "]");
	text = buf_take(&buf, &length);
	request_reply(request, 200, "application/json", text, length);
}

static void get_problem(struct probe *probe, struct request *request)
{
	struct err err;

	(void)probe;
	err_init(&err);
	(void)err_fault(&err, "/a/b", "must be \"small\"");
	(void)err_fault(&err, "/c", "unknown member");
	request_problem(request, &err);
}

static void get_stats(struct probe *probe, struct request *request)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "{\"connections\":%zu,\"made\":%ld,\"destroyed\":%ld}",
		       http_connection_count(probe->http), probe->contexts_made,
		       probe->contexts_destroyed);
	reply_text(request, 200, text);
}

static void handle(struct request *request, void *arg)
{
	static const struct {
		const char *path;
		void (*fn)(struct probe *probe, struct request *request);
	} routes[] = {
		{"/hello", get_hello},     {"/echo", post_echo},  {"/late", any_late},
		{"/stream", get_stream},   {"/flood", get_flood}, {"/large", get_large},
		{"/problem", get_problem}, {"/stats", get_stats},
	};
	struct err err;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (strcmp(request_path(request), routes[i].path) == 0) {
			routes[i].fn(arg, request);
			return;
		}
	}
	if (strncmp(request_path(request), "/seen", strlen("/seen")) == 0) {
		get_seen(arg, request);
		return;
	}
	(void)err_set(&err, ERR_NOT_FOUND, "no such route");
	request_problem(request, &err);
}

static void on_stopped(void *arg)
{
	struct probe *probe = arg;

	http_destroy(probe->http);
	loop_close(probe->loop);
}

static void on_term(uv_signal_t *handle, int number)
{
	struct probe *probe = handle->data;

	(void)number;
	uv_close((uv_handle_t *)handle, NULL);
	http_stop(probe->http, probe->stop_ms, on_stopped, probe);
}

enum setting { LISTEN, HOST, BODY, CONNECTIONS, PER_IP, HEADER_MS, BODY_MS, IDLE_MS, STOP_MS };

struct setup {
	const char *listen[LISTENERS_MAX + 1];
	const char *hosts[LISTENERS_MAX + 1];
	size_t listen_count, host_count;
	unsigned long numbers[STOP_MS + 1];
};

static void read_options(struct setup *setup, int argc, char **argv)
{
	static const char *const names[] = {
		[LISTEN] = "listen",   [HOST] = "allow-host",
		[BODY] = "max-body",   [CONNECTIONS] = "max-connections",
		[PER_IP] = "per-ip",   [HEADER_MS] = "header-ms",
		[BODY_MS] = "body-ms", [IDLE_MS] = "idle-ms",
		[STOP_MS] = "stop-ms",
	};
	struct option options[STOP_MS + 2] = {0};
	int which;

	for (size_t i = 0; i <= STOP_MS; i++) {
		options[i] = (struct option){names[i], required_argument, NULL, (int)i};
	}
	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (which == LISTEN && setup->listen_count < LISTENERS_MAX) {
			setup->listen[setup->listen_count++] = optarg;
		} else if (which == HOST && setup->host_count < LISTENERS_MAX) {
			setup->hosts[setup->host_count++] = optarg;
		} else if (which > HOST && which <= STOP_MS) {
			setup->numbers[which] = strtoul(optarg, NULL, 10);
		} else {
			exit(64);
		}
	}
}

static void announce(const struct http *http)
{
	(void)printf("READY");
	for (size_t i = 0; http_url(http, i) != NULL; i++) {
		(void)printf(" %s", http_url(http, i));
	}
	(void)printf("\n");
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	struct setup setup = {
		.numbers = {[BODY] = 65536,
			    [CONNECTIONS] = LIMIT_CONNECTIONS,
			    [PER_IP] = CONNECTIONS_PER_IP,
			    [HEADER_MS] = 10000,
			    [BODY_MS] = 30000,
			    [IDLE_MS] = 60000,
			    [STOP_MS] = 5000},
	};
	static struct probe probe;
	struct http_options options;
	struct err err;

	read_options(&setup, argc, argv);
	options = (struct http_options){
		.listen = setup.listen,
		.allowed_hosts = setup.hosts,
		.max_body = setup.numbers[BODY],
		.max_connections = (unsigned)setup.numbers[CONNECTIONS],
		.max_connections_per_ip = (unsigned)setup.numbers[PER_IP],
		.header_timeout_ms = setup.numbers[HEADER_MS],
		.body_timeout_ms = setup.numbers[BODY_MS],
		.idle_timeout_ms = setup.numbers[IDLE_MS],
	};
	log_setup(LOG_ERROR, true);
	probe.stop_ms = setup.numbers[STOP_MS];
	(void)snprintf(probe.hello, sizeof(probe.hello), "{\"text\":\"%0*d\"}", JSON_FIELD_BYTES,
		       0);
	probe.loop = loop_create();
	probe.http = http_create(probe.loop, &options, handle, &probe, &err);
	if (probe.http == NULL) {
		(void)fprintf(stderr, "http_probe: %s\n", err.message);
		return err_exit_code(err.code);
	}
	(void)uv_signal_init(loop_uv(probe.loop), &probe.term);
	probe.term.data = &probe;
	(void)uv_signal_start(&probe.term, on_term, SIGTERM);
	announce(probe.http);
	loop_run(probe.loop);
	loop_destroy(probe.loop);
	return probe.contexts_made == probe.contexts_destroyed ? 0 : 1;
}
