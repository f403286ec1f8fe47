#include "api/http/http_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/id.h"
#include "base/log.h"
#include "base/mem.h"

/*
 * libmicrohttpd runs in its external epoll mode inside our loop. How, and why so:
 *
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
	ACCEPT_BATCH = 64,
	/* Connections that are given up but not yet closed still have a place in MHD's count. */
	MHD_SLACK = 4 * ACCEPT_BATCH,
	MHD_MEMORY = 32 * 1024,
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
		(uv_handle_t *)&http->poll,  (uv_handle_t *)&http->prepare,
		(uv_handle_t *)&http->dirty, (uv_handle_t *)&http->again,
		(uv_handle_t *)&http->sweep, (uv_handle_t *)&http->stop_timer,
	};

	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		uv_close(handles[i], on_handle_closed);
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
	for (int i = 0; i < MAX_RUNS; i++) {
		(void)MHD_run(http->mhd);
	}
	MHD_stop_daemon(http->mhd);
	http->mhd = NULL;
	close_handles(http);
}

static void on_again(uv_timer_t *handle)
{
	http_mark_dirty(handle->data);
}

static void pump(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG timeout = 0;
	enum MHD_Result wants = MHD_YES;

	for (int i = 0; i < MAX_RUNS && uv_is_active((uv_handle_t *)&http->dirty); i++) {
		(void)uv_idle_stop(&http->dirty);
		(void)MHD_run(http->mhd);
		wants = MHD_get_timeout(http->mhd, &timeout);
		if (wants == MHD_YES && timeout == 0) {
			http_mark_dirty(http);
		}
	}
	if (uv_is_active((uv_handle_t *)&http->dirty)) {
		(void)uv_idle_stop(&http->dirty);
		(void)uv_timer_start(&http->again, on_again, RETRY_MS, 0);
	} else if (wants == MHD_YES) {
		(void)uv_timer_start(&http->again, on_again, timeout, 0);
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
	(void)status;
	(void)events;
	http_mark_dirty(handle->data);
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
		(void)close(fd);
		return true;
	}
	http->accepting = listener;
	(void)MHD_add_connection(http->mhd, fd, (struct sockaddr *)&peer, length);
	return true;
}

static void on_sweep(uv_timer_t *handle);

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct http_listener *listener = handle->data;
	struct http *http = listener->http;

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPT_BATCH && accept_one(listener); i++) {
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
		int rc = http_socket_init(&http->listeners[i].socket, addresses[i], reterr);

		http->listeners[i].http = http;
		if (rc != 0) {
			return rc;
		}
		http->listener_count++;
	}
	return 0;
}

/*
 * Since 1.0 MHD unfolds lines and mends targets that it can guess, unless it is told not to, and
 * keeps an added connection for its next run, unless it has to do with one thread: then neither our
 * count of connections nor `accepting` would be right.
 */
#if MHD_VERSION >= 0x01000000
#define MHD_STRICTLY   MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1
#define MHD_ONE_THREAD MHD_USE_NO_THREAD_SAFETY
#else
#define MHD_STRICTLY   MHD_OPTION_STRICT_FOR_CLIENT, 0
#define MHD_ONE_THREAD 0
#endif

static void open_private(struct http *http, const char *path)
{
	struct http_listener *listener = &http->listeners[http->listener_count];
	char *address = path != NULL ? mem_printf("unix:%s", path) : NULL;
	struct err err;

	listener->http = http;
	if (address != NULL && http_socket_init(&listener->socket, address, &err) == 0) {
		(void)chmod(path, S_IRUSR | S_IWUSR);
		http->listener_count++;
	} else if (address != NULL) {
		log_line(LOG_WARNING, "no control socket", LOG_TEXT("error", err.message));
	}
	free(address);
}

static int start_mhd(struct http *http, struct err *reterr)
{
	http->mhd = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET |
			MHD_ONE_THREAD,
		0, NULL, NULL, http_request_access, http, MHD_OPTION_URI_LOG_CALLBACK,
		http_request_begin, http, MHD_OPTION_NOTIFY_COMPLETED, http_request_completed, http,
		MHD_OPTION_NOTIFY_CONNECTION, http_conn_notify, http, MHD_OPTION_CONNECTION_LIMIT,
		http->options.max_connections + MHD_SLACK, MHD_OPTION_CONNECTION_TIMEOUT, 0U,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MHD_MEMORY,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_STRICTLY, MHD_OPTION_END);
	if (http->mhd == NULL) {
		return err_set(reterr, ERR_ADDRESS, "cannot start the HTTP server: %s",
			       strerror(errno));
	}
	return 0;
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
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD);

	(void)uv_prepare_init(uv, &http->prepare);
	(void)uv_idle_init(uv, &http->dirty);
	http->prepare.data = http->dirty.data = http;
	http->open_handles += 2;
	for (size_t i = 0; i < sizeof(timers) / sizeof(timers[0]); i++) {
		(void)uv_timer_init(uv, timers[i]);
		timers[i]->data = http;
		http->open_handles++;
	}
	watch(http, &http->poll, http, info->epoll_fd, on_poll);
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
	if (start_mhd(http, reterr) != 0) {
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

		(void)uv_poll_stop(&listener->poll);
		http_socket_close(&listener->socket);
		uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
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
	if (http->mhd != NULL) {
		MHD_stop_daemon(http->mhd);
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
