/* Calls that wait: for news of a job, for a change of what is stored, or for a time. */
#include "api/call.h"

#include <stdlib.h>
#include <string.h>

#include "api/http/header.h"
#include "base/limits.h"
#include "base/loop.h"
#include "base/mem.h"

/* A timer outlives its call by the turn that libuv needs to close it. */
struct wait {
	struct loop_timer timer;
	struct call *call;
	call_fn *then;
	bool for_change;
};

/* Changes come in bursts: one look at the store is enough for so many ms. */
enum { GATHER_MS = 50 };

static void free_wait(void *arg)
{
	free(arg);
}

void call_wait_end(struct call *call)
{
	tuner_unwatch(call->watch);
	call->watch = NULL;
	if (call->wait != NULL) {
		call->wait->timer.arg = call->wait;
		loop_timer_close(&call->wait->timer, free_wait);
		call->wait = NULL;
	}
}

/* Who was let in by a token that is not in force any more has waited for nothing. */
static void go_on(struct call *call, call_fn *then)
{
	if (access_holds(&call->server->access, &call->who)) {
		then(call);
	} else if (request_is_stream(call->request)) {
		request_stream_end(call->request);
	} else {
		call_error(call, ERR_UNAUTHORIZED, "the token is not in force any more");
	}
}

static void on_news(void *arg)
{
	struct call *call = arg;
	call_fn *then = call->wait->then;

	call->watch = NULL;
	call_wait_end(call);
	go_on(call, then);
}

static void on_wait_over(void *arg)
{
	struct wait *wait = arg;
	struct call *call = wait->call;
	call_fn *then = wait->then;

	call_wait_end(call);
	go_on(call, then);
}

static struct wait *begin_wait(struct call *call, uint64_t ms, call_fn *then)
{
	struct wait *wait = mem_new(1, sizeof(*wait));

	wait->call = call;
	wait->then = then;
	call->wait = wait;
	loop_timer_init(call->server->loop, &wait->timer, on_wait_over, wait);
	loop_timer_start(&wait->timer, ms);
	return wait;
}

static void note_change(struct call *call)
{
	call->changed = true;
	if (call->wait != NULL && call->wait->for_change) {
		loop_timer_start(&call->wait->timer, GATHER_MS);
	}
}

static void on_change(void *arg)
{
	struct call *call = arg;

	call->change = NULL;
	note_change(call);
}

void call_listen_job(struct call *call)
{
	call->changed = false;
	if (list_empty(&call->news)) {
		list_append(&call->server->news, &call->news);
	}
}

void call_tell_job(struct server *server, const char *job)
{
	for (struct list *node = server->news.next; node != &server->news; node = node->next) {
		struct call *call = list_entry(node, struct call, news);

		if (strcmp(call->params[0], job) == 0) {
			note_change(call);
		}
	}
}

void call_listen(struct call *call, enum store_topic topic)
{
	call->changed = false;
	if (call->change == NULL) {
		call->change = store_watch(call->server->store, topic, on_change, call);
	}
}

void call_wait_change(struct call *call, uint64_t ms, call_fn *then)
{
	begin_wait(call, call->changed ? GATHER_MS : ms, then)->for_change = true;
}

void call_may_wait(struct call *call, enum store_topic topic)
{
	call->wait_s = header_wait_s(request_header(call->request, "Prefer"), LIMIT_WAIT_S);
	if (call->wait_s > 0 && request_header(call->request, "If-None-Match") != NULL) {
		call_listen(call, topic);
	}
}

void call_wait(struct call *call, const char *job, int64_t version, uint64_t ms, call_fn *then)
{
	(void)begin_wait(call, ms, then);
	if (job != NULL) {
		call->watch = tuner_watch(call->server->tuner, job, version, on_news, call);
	}
}
