/*
 * Leads a request through all its steps, from the check of its URL to the answer or the deadline.
 */
#include "backends/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "backends/fetch_easy.h"
#include "backends/fetch_multi.h"
#include "backends/resolve.h"
#include "base/clock.h"
#include "base/mem.h"

/*
 * A call goes through: check the URL, look its name up, put every answer to the guard, pin the
 * answers, let libcurl do the transfer, deliver. libcurl itself never resolves (in 7.88 that blocks
 * the loop for seconds) and never follows; it asks the guard again for each socket that it opens
 * and for each connection that it uses, reused ones included.
 *
 * A call that has ended is delivered from a task of its own: whoever is called back may start,
 * cancel and stop calls, and is never called from inside fetch_start() or libcurl.
 */
struct fetch {
	struct loop *loop;
	const struct guard *guard;
	char *user_agent;
	struct fetch_multi *multi;
	struct resolve *resolve;
	struct list calls;
	size_t open; /* calls and parts that fetch_stop() waits for */
	loop_fn stopped;
	void *stopped_arg;
};

struct fetch_call {
	struct list node;
	struct fetch *fetch;
	struct fetch_easy easy;
	struct resolve_call *lookup;
	struct loop_timer deadline;
	struct loop_task task;
	int64_t started;
	bool added; /* to the multi handle */
	struct fetch_reply reply;
	fetch_fn fn;
	void *arg;
};

static void settle(void *arg)
{
	struct fetch *fetch = arg;

	if (--fetch->open == 0) {
		fetch->stopped(fetch->stopped_arg);
	}
}

static void on_call_closed(void *arg)
{
	struct fetch_call *call = arg;
	struct fetch *fetch = call->fetch;

	free(call);
	settle(fetch);
}

/* Ends what goes on for the call outside of it. */
static void detach(struct fetch_call *call)
{
	if (call->lookup != NULL) {
		resolve_cancel(call->lookup);
		call->lookup = NULL;
	}
	if (call->added) {
		fetch_multi_remove(call->fetch->multi, call->easy.curl);
		call->added = false;
	}
	loop_timer_stop(&call->deadline);
}

bool fetch_is_idle(const struct fetch *fetch)
{
	return list_empty(&fetch->calls);
}

void fetch_cancel(struct fetch_call *call)
{
	list_remove(&call->node);
	loop_cancel(call->fetch->loop, &call->task);
	detach(call);
	fetch_easy_finish(&call->easy);
	loop_timer_close(&call->deadline, on_call_closed);
}

static void deliver(void *arg)
{
	struct fetch_call *call = arg;

	list_remove(&call->node);
	fetch_easy_reply(&call->easy, &call->reply);
	call->reply.elapsed_ms = (uint64_t)(clock_mono_ms() - call->started);
	call->fn(call->arg, &call->reply);
	fetch_cancel(call);
}

static void finish(struct fetch_call *call)
{
	detach(call);
	loop_defer(call->fetch->loop, &call->task, deliver, call);
}

static void on_transfer_end(void *owner, int code)
{
	struct fetch_call *call = owner;

	fetch_easy_end(&call->easy, code);
	finish(call);
}

static void on_deadline(void *arg)
{
	struct fetch_call *call = arg;

	fetch_easy_time_out(&call->easy);
	finish(call);
}

static void begin(struct fetch_call *call)
{
	call->added = fetch_multi_add(call->fetch->multi, call->easy.curl);
	if (!call->added) {
		(void)err_set(&call->reply.err, ERR_NO_MEMORY, "no memory for another transfer");
		finish(call);
	}
}

/* Writes "+host:port:address,..." and asks the guard about each address: one denial is enough. */
static bool pin(struct fetch_call *call, const struct resolve_answers *answers)
{
	const struct guard_url *url = &call->easy.url;
	struct buf text;
	bool ok = true;

	buf_init(&text, sizeof(url->host) + 16 + (INET6_ADDRSTRLEN + 3UL) * RESOLVE_ANSWERS_MAX);
	buf_printf(&text, "+%s:%u:", url->host, url->port);
	for (size_t i = 0; i < answers->count && ok; i++) {
		struct sockaddr_storage address = answers->addresses[i];
		struct sockaddr_in *v4 = (void *)&address;
		struct sockaddr_in6 *v6 = (void *)&address;
		bool is_v4 = address.ss_family == AF_INET;
		char number[INET6_ADDRSTRLEN] = "";

		*(is_v4 ? &v4->sin_port : &v6->sin6_port) = htons(url->port);
		(void)inet_ntop(address.ss_family,
				is_v4 ? (void *)&v4->sin_addr : (void *)&v6->sin6_addr, number,
				sizeof(number));
		buf_printf(&text, is_v4 ? "%s%s" : "%s[%s]", i > 0 ? "," : "", number);
		ok = fetch_easy_may_connect(&call->easy, (struct sockaddr *)&address);
	}
	if (ok) {
		fetch_easy_pin(&call->easy, text.bytes);
	}
	buf_finish(&text);
	return ok;
}

static void on_resolved(void *arg, const struct resolve_answers *answers)
{
	struct fetch_call *call = arg;

	call->lookup = NULL;
	if (answers->rc != 0) {
		call->easy.retryable = true;
		(void)err_set(&call->reply.err, (enum err_code) - answers->rc,
			      "the name \"%s\" cannot be resolved: %s", call->easy.url.host,
			      answers->message);
		finish(call);
	} else if (!pin(call, answers)) {
		finish(call);
	} else {
		begin(call);
	}
}

/* The path goes before the query, with one slash between it and what stands before. */
static char *join(const char *url, const char *path)
{
	size_t n = strcspn(url, "?");
	const char *query = url + n;

	while (path != NULL && n > 0 && url[n - 1] == '/') {
		n--;
	}
	return mem_printf("%.*s%s%s", (int)n, url, path != NULL ? path : "", query);
}

static int prepare(struct fetch_call *call, const struct fetch_request *request)
{
	struct fetch *fetch = call->fetch;
	char *url = join(request->url, request->path);
	int rc;

	call->easy.guard = fetch->guard;
	call->easy.err = &call->reply.err;
	rc = fetch_easy_init(&call->easy, request, url, fetch->user_agent, call);
	free(url);
	return rc != 0 ? rc
		       : guard_check_url(fetch->guard, request->url, &call->easy.url,
					 &call->reply.err);
}

struct fetch_call *fetch_start(struct fetch *fetch, const struct fetch_request *request,
			       fetch_fn fn, void *arg)
{
	struct fetch_call *call = mem_new(1, sizeof(*call));

	call->fetch = fetch;
	call->fn = fn;
	call->arg = arg;
	call->started = clock_mono_ms();
	err_init(&call->reply.err);
	list_init(&call->task.node);
	list_append(&fetch->calls, &call->node);
	fetch->open++;
	loop_timer_init(fetch->loop, &call->deadline, on_deadline, call);
	if (prepare(call, request) != 0) {
		finish(call);
		return call;
	}
	loop_timer_start(&call->deadline, request->timeout_ms);
	if (call->easy.url.literal || request->unix_path != NULL) {
		begin(call);
	} else {
		call->lookup =
			resolve_start(fetch->resolve, call->easy.url.host, on_resolved, call);
	}
	return call;
}

struct fetch *fetch_create(struct loop *loop, const struct guard *guard,
			   const struct fetch_options *options, struct err *reterr)
{
	struct fetch_multi *multi = fetch_multi_create(loop, options->max_total,
						       options->max_per_host, on_transfer_end);
	struct fetch *fetch;

	if (multi == NULL) {
		(void)err_set(reterr, ERR_INTERNAL, "libcurl cannot be initialised");
		return NULL;
	}
	fetch = mem_new(1, sizeof(*fetch));
	fetch->loop = loop;
	fetch->guard = guard;
	fetch->user_agent = mem_dup(options->user_agent);
	fetch->multi = multi;
	fetch->resolve = resolve_create(loop);
	fetch->open = 2;
	list_init(&fetch->calls);
	return fetch;
}

void fetch_stop(struct fetch *fetch, loop_fn done, void *arg)
{
	fetch->stopped = done;
	fetch->stopped_arg = arg;
	while (!list_empty(&fetch->calls)) {
		fetch_cancel(list_entry(fetch->calls.next, struct fetch_call, node));
	}
	fetch_multi_stop(fetch->multi, settle, fetch);
	resolve_stop(fetch->resolve, settle, fetch);
}

void fetch_destroy(struct fetch *fetch)
{
	if (fetch == NULL) {
		return;
	}
	fetch_multi_destroy(fetch->multi);
	resolve_destroy(fetch->resolve);
	free(fetch->user_agent);
	free(fetch);
}

const char *fetch_engine_version(void)
{
	return curl_version_info(CURLVERSION_NOW)->version;
}
