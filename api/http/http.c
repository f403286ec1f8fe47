/* Runs libmicrohttpd inside our loop, and stops it so that every client has its answer. */
#include "api/http/http_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/http/http_tls.h"
#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"

/*
 * libmicrohttpd runs in its external epoll mode inside our loop. How, and why so:
 *
 * - It speaks either TLS or not, so there are two of it where both are needed, run one after the other.
 * - MHD's epoll descriptor is watched by a uv_poll. Neither that callback nor anything else calls
 *   MHD_run() directly: they mark the server dirty, and the prepare hook, which libuv calls right
 *   before it would sleep, runs MHD. So MHD is never entered from inside one of its own callbacks.
 * - Resuming a connection wakes nobody in this mode, and MHD_get_timeout() does not know of resumed
 *   connections. Whoever resumes marks the server dirty; the idle handle behind that mark keeps the
 *   loop from sleeping even when the prepare hook has already run in this turn.
 * - One MHD_run() may leave work behind (MHD_get_timeout() says 0). Up to MAX_RUNS follow at once;
 *   after that the loop gets a turn first and a timer of one millisecond comes back, because there
 *   are states in which MHD says 0 for as long as a peer stalls, and these must not burn a CPU.
 * - At its connection limit MHD stops listening and only starts again in some later run. We accept
 *   ourselves and hand connections over, so that limit is never met: a full table makes room by
 *   giving up the connection that has been incomplete for longest (http_conn.c).
 * - MHD's own time-out is for inactivity only and its suspended connections see nothing; deadlines
 *   and vanished clients are found by one coarse sweep over all connections. No request has a timer
 *   of its own.
 * - MHD_stop_daemon() must not meet suspended connections. Stopping therefore answers or abandons
 *   every request first, lets MHD run, and stops it last; then the loop's handles are closed.
 * - MHD may write with calls that cannot suppress SIGPIPE, so the process ignores it.
 */
enum {
	MAX_RUNS = 4,
	RETRY_MS = 1,
	SWEEP_MS = 250,
};

static void on_idle(uv_idle_t *handle)
{
	(void)handle;
}

void http_mark_dirty(struct http *http)
{
	if (!http->stopped) {
		(void)uv_idle_start(&http->dirty, on_idle);
	}
}

int64_t http_now(const struct http *http)
{
	return (int64_t)uv_now(loop_uv(http->loop));
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct http *http = handle->data;

	if (--http->open_handles == 0) {
		http->done(http->done_arg);
	}
}

static void close_handles(struct http *http)
{
	uv_handle_t *const handles[] = {
		(uv_handle_t *)&http->prepare,    (uv_handle_t *)&http->dirty,
		(uv_handle_t *)&http->again,      (uv_handle_t *)&http->sweep,
		(uv_handle_t *)&http->stop_timer,
	};

	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		uv_close(handles[i], on_handle_closed);
	}
}

/* What its poll handle points to is the engine, until it is closed. */
static void on_engine_closed(uv_handle_t *handle)
{
	struct http_engine *engine = handle->data;

	handle->data = engine->http;
	on_handle_closed(handle);
}

static void stop_engines(struct http *http)
{
	for (int e = 0; e < ENGINES; e++) {
		struct http_engine *engine = &http->engines[e];

		for (int i = 0; engine->mhd != NULL && i < MAX_RUNS; i++) {
			(void)MHD_run(engine->mhd);
		}
		if (engine->mhd != NULL) {
			/* In this order: closing a handle asks the kernel for its descriptor once more,
			   whose number may be another thread's as soon as it is closed. */
			uv_close((uv_handle_t *)&engine->poll, on_engine_closed);
			MHD_stop_daemon(engine->mhd);
			engine->mhd = NULL;
		}
	}
}

/* Every client has its answer, or time is up: what is left goes without one. */
static void finish_stop(struct http *http)
{
	struct list *node;

	for (node = http->connections.next; node != &http->connections; node = node->next) {
		http_conn_drop(list_entry(node, struct http_conn, node));
	}
	http->stopped = true;
	stop_engines(http);
	close_handles(http);
}

static void on_again(uv_timer_t *handle)
{
	http_mark_dirty(handle->data);
}

static void pump(struct http *http)
{
	int64_t again = -1;

	for (int i = 0; i < MAX_RUNS && uv_is_active((uv_handle_t *)&http->dirty); i++) {
		(void)uv_idle_stop(&http->dirty);
		again = http_engine_run(http);
		if (again == 0) {
			http_mark_dirty(http);
		}
	}
	if (uv_is_active((uv_handle_t *)&http->dirty)) {
		(void)uv_idle_stop(&http->dirty);
		(void)uv_timer_start(&http->again, on_again, RETRY_MS, 0);
	} else if (again >= 0) {
		(void)uv_timer_start(&http->again, on_again, (uint64_t)again, 0);
	} else {
		(void)uv_timer_stop(&http->again);
	}
}

static void on_prepare(uv_prepare_t *handle)
{
	struct http *http = handle->data;

	if (uv_is_active((uv_handle_t *)&http->dirty)) {
		pump(http);
	}
	if (http->stopping && !http->stopped && http->request_count == 0) {
		finish_stop(http);
	}
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	const struct http_engine *engine = handle->data;

	(void)status;
	(void)events;
	http_mark_dirty(engine->http);
}

static struct http_engine *engine_of(struct http_listener *listener)
{
	return &listener->http->engines[listener->socket.is_tls ? ENGINE_TLS : ENGINE_CLEAR];
}

/*
 * Returns false when there is nothing more to accept. Without descriptors the listening socket
 * stays readable; so that this does not burn a CPU, it is watched again from the next sweep on.
 */
static bool accept_one(struct http_listener *listener)
{
	struct http *http = listener->http;
	struct sockaddr_storage peer = {0};
	socklen_t length = sizeof(peer);
	int fd = accept4(listener->socket.fd, (struct sockaddr *)&peer, &length,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			(void)uv_poll_stop(&listener->poll);
		}
		return errno == EINTR || errno == ECONNABORTED;
	}
	if (!http_conn_admit(http, (struct sockaddr *)&peer)) {
		http->stats.refused++;
		(void)close(fd);
		return true;
	}
	http->accepting = listener;
	(void)MHD_add_connection(engine_of(listener)->mhd, fd, (struct sockaddr *)&peer, length);
	return true;
}

static void on_sweep(uv_timer_t *handle);

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct http_listener *listener = handle->data;
	struct http *http = listener->http;

	(void)status;
	(void)events;
	for (int i = 0; i < HTTP_ACCEPT_BATCH && accept_one(listener); i++) {
	}
	http_mark_dirty(http);
	if (!uv_is_active((uv_handle_t *)&http->sweep)) {
		(void)uv_timer_start(&http->sweep, on_sweep, SWEEP_MS, 0);
	}
}

/* Runs for as long as there is somebody to watch. */
static void on_sweep(uv_timer_t *handle)
{
	struct http *http = handle->data;

	http_conn_sweep(http);
	for (size_t i = 0; !http->stopping && i < http->listener_count; i++) {
		if (!uv_is_active((uv_handle_t *)&http->listeners[i].poll)) {
			(void)uv_poll_start(&http->listeners[i].poll, UV_READABLE, on_readable);
		}
	}
	if (http->connection_count > 0) {
		(void)uv_timer_start(&http->sweep, on_sweep, SWEEP_MS, 0);
	}
}

static void copy_options(struct http *http, const struct http_options *options)
{
	size_t count = 0;
	char **hosts;

	http->options = *options;
	while (options->allowed_hosts != NULL && options->allowed_hosts[count] != NULL) {
		count++;
	}
	hosts = mem_new(count + 1, sizeof(*hosts));
	for (size_t i = 0; i < count; i++) {
		hosts[i] = mem_dup(options->allowed_hosts[i]);
	}
	http->options.allowed_hosts = (const char *const *)hosts;
	http->options.listen = NULL;
	http->options.private_socket = NULL;
}

static int open_listeners(struct http *http, const char *const *addresses, struct err *reterr)
{
	size_t count = 0;

	while (addresses[count] != NULL) {
		count++;
	}
	http->listeners = mem_new(count + 1, sizeof(*http->listeners));
	for (size_t i = 0; i < count; i++) {
		int rc = http_socket_init(&http->listeners[i].socket, addresses[i],
					  http_tls_is_loaded(), reterr);

		http->listeners[i].http = http;
		if (rc != 0) {
			return rc;
		}
		http->listener_count++;
	}
	return 0;
}

static void open_private(struct http *http, const char *path)
{
	struct http_listener *listener = &http->listeners[http->listener_count];
	char *address = path != NULL ? mem_printf("unix:%s", path) : NULL;
	struct err err;

	listener->http = http;
	if (address != NULL && http_socket_init(&listener->socket, address, false, &err) == 0) {
		(void)chmod(path, S_IRUSR | S_IWUSR);
		http->listener_count++;
	} else if (address != NULL) {
		log_line(LOG_WARNING, "no control socket", LOG_TEXT("error", err.message));
	}
	free(address);
}

/* Those that some listener needs. */
static int start_engines(struct http *http, struct err *reterr)
{
	int rc = 0;

	for (size_t i = 0; i < http->listener_count && rc == 0; i++) {
		bool tls = http->listeners[i].socket.is_tls;

		if (tls && !http_tls_is_loaded()) {
			rc = err_set(reterr, ERR_ADDRESS, "%s needs a certificate and its key",
				     http->listeners[i].socket.url);
		} else if (engine_of(&http->listeners[i])->mhd == NULL) {
			rc = http_engine_start(http, tls ? ENGINE_TLS : ENGINE_CLEAR, reterr);
		}
	}
	return rc;
}

/* Like the loop's own handles: they fail only when the kernel has no memory for them. */
static void watch(struct http *http, uv_poll_t *poll, void *data, int fd, uv_poll_cb fn)
{
	if (uv_poll_init(loop_uv(http->loop), poll, fd) != 0 ||
	    uv_poll_start(poll, UV_READABLE, fn) != 0) {
		abort();
	}
	poll->data = data;
	http->open_handles++;
}

static void init_handles(struct http *http)
{
	uv_loop_t *uv = loop_uv(http->loop);
	uv_timer_t *const timers[] = {&http->again, &http->sweep, &http->stop_timer};

	(void)uv_prepare_init(uv, &http->prepare);
	(void)uv_idle_init(uv, &http->dirty);
	http->prepare.data = http->dirty.data = http;
	http->open_handles += 2;
	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
		(void)uv_timer_init(uv, timers[i]);
		timers[i]->data = http;
		http->open_handles++;
	}
	for (int e = 0; e < ENGINES; e++) {
		struct http_engine *engine = &http->engines[e];

		if (engine->mhd != NULL) {
			watch(http, &engine->poll, engine,
			      MHD_get_daemon_info(engine->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
			      on_poll);
		}
	}
	for (size_t i = 0; i < http->listener_count; i++) {
		struct http_listener *listener = &http->listeners[i];

		watch(http, &listener->poll, listener, listener->socket.fd, on_readable);
	}
	(void)uv_prepare_start(&http->prepare, on_prepare);
}

struct http *http_create(struct loop *loop, const struct http_options *options,
			 http_handler handler, void *arg, struct err *reterr)
{
	struct http *http = mem_new(1, sizeof(*http));

	http->loop = loop;
	http->handler = handler;
	http->arg = arg;
	list_init(&http->connections);
	copy_options(http, options);
	id_make(http->id_prefix, "req_");
	if (open_listeners(http, options->listen, reterr) != 0) {
		http_destroy(http);
		return NULL;
	}
	open_private(http, options->private_socket);
	if (start_engines(http, reterr) != 0) {
		http_destroy(http);
		return NULL;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	init_handles(http);
	return http;
}

const char *http_url(const struct http *http, size_t index)
{
	return index < http->listener_count ? http->listeners[index].socket.url : NULL;
}

size_t http_waiting_count(const struct http *http)
{
	return http->waiting_count;
}

size_t http_reply_bytes(const struct http *http)
{
	return http->reply_bytes;
}

void http_stats(const struct http *http, struct http_stats *ret)
{
	*ret = http->stats;
}

size_t http_connection_count(const struct http *http)
{
	return http->connection_count;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct http_listener *listener = handle->data;

	handle->data = listener->http;
	on_handle_closed(handle);
}

static void close_listeners(struct http *http)
{
	for (size_t i = 0; i < http->listener_count; i++) {
		struct http_listener *listener = &http->listeners[i];

		uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
		http_socket_close(&listener->socket);
	}
}

static void on_stop_timer(uv_timer_t *handle)
{
	struct http *http = handle->data;

	if (!http->stopped) {
		finish_stop(http);
	}
}

void http_stop(struct http *http, uint64_t deadline_ms, loop_fn done, void *arg)
{
	struct list *node;

	http->stopping = true;
	http->done = done;
	http->done_arg = arg;
	close_listeners(http);
	for (node = http->connections.next; node != &http->connections; node = node->next) {
		http_conn_drain(list_entry(node, struct http_conn, node));
	}
	http_mark_dirty(http);
	uv_update_time(loop_uv(http->loop));
	(void)uv_timer_start(&http->stop_timer, on_stop_timer, deadline_ms, 0);
}

void http_destroy(struct http *http)
{
	if (http == NULL) {
		return;
	}
	for (int e = 0; e < ENGINES; e++) {
		if (http->engines[e].mhd != NULL) {
			MHD_stop_daemon(http->engines[e].mhd);
		}
	}
	for (size_t i = 0; i < http->listener_count; i++) {
		http_socket_finish(&http->listeners[i].socket);
	}
	for (size_t i = 0; http->options.allowed_hosts[i] != NULL; i++) {
		free((char *)http->options.allowed_hosts[i]);
	}
	free((void *)http->options.allowed_hosts);
	free(http->listeners);
	free(http);
}
