/* Couples libcurl's sockets and its timer to the loop. */
#include "backends/fetch_multi.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/mem.h"

struct fetch_multi {
	struct loop *loop;
	CURLM *curl;
	struct loop_timer timer;
	fetch_multi_fn fn;
	size_t open; /* polls and the timer, while they are not closed */
	loop_fn stopped;
	void *stopped_arg;
};

/* One socket of libcurl. */
struct watch {
	uv_poll_t poll;
	struct fetch_multi *multi;
	curl_socket_t fd;
};

static void settle(void *arg)
{
	struct fetch_multi *multi = arg;

	if (--multi->open == 0) {
		multi->stopped(multi->stopped_arg);
	}
}

/* After every socket action: also the last transfer may have ended in it. */
static void harvest(struct fetch_multi *multi)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi->curl, &left)) != NULL) {
		CURLcode code = message->data.result;
		void *owner = NULL;

		if (message->msg == CURLMSG_DONE) {
			(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
			multi->fn(owner, (int)code);
		}
	}
}

/*
 * Servers that write headers and body one after the other, as Python's do, get to send the body only
 * when the headers were acknowledged, which the kernel puts off for 40 ms. It takes this wish back
 * after some segments, so it is told again whenever we are about to wait or to read.
 */
static void acknowledge_at_once(curl_socket_t fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

/*
 * libuv reports a reset as an error. libcurl is told to read and write instead of CURL_CSELECT_ERR:
 * so it meets the reset itself, and sends again when the connection was a reused one.
 */
static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct fetch_multi *multi = watch->multi;
	int flags = status < 0 ? CURL_CSELECT_IN | CURL_CSELECT_OUT : 0;
	int running;

	acknowledge_at_once(watch->fd);
	flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
	flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
	(void)curl_multi_socket_action(multi->curl, watch->fd, flags, &running);
	harvest(multi);
}

static void on_watch_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;
	struct fetch_multi *multi = watch->multi;

	free(watch);
	settle(multi);
}

/* NULL when the socket cannot be polled; its transfer then ends by its deadline. */
static struct watch *watch_create(struct fetch_multi *multi, curl_socket_t fd)
{
	struct watch *watch = mem_new(1, sizeof(*watch));

	watch->multi = multi;
	watch->fd = fd;
	watch->poll.data = watch;
	if (uv_poll_init(loop_uv(multi->loop), &watch->poll, fd) != 0) {
		free(watch);
		return NULL;
	}
	multi->open++;
	(void)curl_multi_assign(multi->curl, fd, watch);
	return watch;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct fetch_multi *multi = arg;
	struct watch *watch = socket_arg;
	int events = 0;

	(void)easy;
	if (watch == NULL && what != CURL_POLL_REMOVE) {
		watch = watch_create(multi, fd);
	}
	if (watch == NULL) {
		return 0;
	}
	if (what == CURL_POLL_REMOVE) {
		/* libcurl may close the descriptor as soon as we return. */
		(void)uv_poll_stop(&watch->poll);
		(void)curl_multi_assign(multi->curl, fd, NULL);
		uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
		return 0;
	}
	events |= (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
	events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
	acknowledge_at_once(fd);
	(void)uv_poll_start(&watch->poll, events, on_poll);
	return 0;
}

static void on_timer(void *arg)
{
	struct fetch_multi *multi = arg;
	int running;

	(void)curl_multi_socket_action(multi->curl, CURL_SOCKET_TIMEOUT, 0, &running);
	harvest(multi);
}

static int on_timeout_change(CURLM *curl, long timeout_ms, void *arg)
{
	struct fetch_multi *multi = arg;

	(void)curl;
	if (timeout_ms < 0) {
		loop_timer_stop(&multi->timer);
	} else {
		loop_timer_start(&multi->timer, (uint64_t)timeout_ms);
	}
	return 0;
}

struct fetch_multi *fetch_multi_create(struct loop *loop, size_t max_total, size_t max_per_host,
				       fetch_multi_fn fn)
{
	struct fetch_multi *multi;
	CURLM *curl;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		return NULL;
	}
	curl = curl_multi_init();
	if (curl == NULL) {
		curl_global_cleanup();
		return NULL;
	}
	multi = mem_new(1, sizeof(*multi));
	multi->loop = loop;
	multi->fn = fn;
	multi->open = 1;
	multi->curl = curl;
	loop_timer_init(loop, &multi->timer, on_timer, multi);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_SOCKETDATA, multi);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_TIMERFUNCTION, on_timeout_change);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_TIMERDATA, multi);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)max_total);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_MAX_HOST_CONNECTIONS, (long)max_per_host);
	(void)curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, (long)max_total);
	return multi;
}

void fetch_multi_stop(struct fetch_multi *multi, loop_fn done, void *arg)
{
	multi->stopped = done;
	multi->stopped_arg = arg;
	(void)curl_multi_cleanup(multi->curl);
	loop_timer_close(&multi->timer, settle);
}

void fetch_multi_destroy(struct fetch_multi *multi)
{
	if (multi != NULL) {
		free(multi);
		curl_global_cleanup();
	}
}

bool fetch_multi_add(struct fetch_multi *multi, void *easy)
{
	return curl_multi_add_handle(multi->curl, easy) == CURLM_OK;
}

void fetch_multi_remove(struct fetch_multi *multi, void *easy)
{
	(void)curl_multi_remove_handle(multi->curl, easy);
}
