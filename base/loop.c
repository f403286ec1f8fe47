#include "base/loop.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

/*
 * Deferred tasks run in uv_prepare, which libuv calls right before it would sleep. A task that
 * is queued while tasks run waits for the next turn, and an idle handle keeps that turn from
 * sleeping: nothing starves, nothing recurses.
 */
struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	uv_idle_t idle;
	uv_async_t async;
	struct list deferred;
	pthread_mutex_t lock; /* guards posted */
	struct list posted;
};

static void run_deferred(struct loop *loop)
{
	struct list batch;
	struct list *node;

	if (list_empty(&loop->deferred)) {
		(void)uv_idle_stop(&loop->idle);
		return;
	}
	batch = loop->deferred;
	batch.next->prev = batch.prev->next = &batch;
	list_init(&loop->deferred);
	while ((node = list_pop(&batch)) != NULL) {
		struct loop_task *task = list_entry(node, struct loop_task, node);

		task->fn(task->arg);
	}
}

static void on_prepare(uv_prepare_t *handle)
{
	run_deferred(handle->data);
}

static void on_idle(uv_idle_t *handle)
{
	(void)handle;
}

static void enqueue(struct loop *loop, struct loop_task *task)
{
	list_append(&loop->deferred, &task->node);
	(void)uv_idle_start(&loop->idle, on_idle);
}

static void on_async(uv_async_t *handle)
{
	struct loop *loop = handle->data;
	struct list *node;

	(void)pthread_mutex_lock(&loop->lock);
	while ((node = list_pop(&loop->posted)) != NULL) {
		enqueue(loop, list_entry(node, struct loop_task, node));
	}
	(void)pthread_mutex_unlock(&loop->lock);
}

struct loop *loop_create(void)
{
	struct loop *loop = mem_new(1, sizeof(*loop));

	if (uv_loop_init(&loop->uv) != 0 || uv_prepare_init(&loop->uv, &loop->prepare) != 0 ||
	    uv_idle_init(&loop->uv, &loop->idle) != 0 ||
	    uv_async_init(&loop->uv, &loop->async, on_async) != 0) {
		abort();
	}
	loop->prepare.data = loop->idle.data = loop->async.data = loop;
	list_init(&loop->deferred);
	list_init(&loop->posted);
	(void)pthread_mutex_init(&loop->lock, NULL);
	(void)uv_prepare_start(&loop->prepare, on_prepare);
	return loop;
}

void loop_destroy(struct loop *loop)
{
	int rc;

	if (loop == NULL) {
		return;
	}
	rc = uv_loop_close(&loop->uv);
	assert(rc == 0);
	(void)rc;
	(void)pthread_mutex_destroy(&loop->lock);
	free(loop);
}

uv_loop_t *loop_uv(struct loop *loop)
{
	return &loop->uv;
}

void loop_run(struct loop *loop)
{
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_defer(struct loop *loop, struct loop_task *task, loop_fn fn, void *arg)
{
	task->fn = fn;
	task->arg = arg;
	enqueue(loop, task);
}

void loop_cancel(struct loop *loop, struct loop_task *task)
{
	/* Its neighbours in the queue may be posted by other threads at this moment. */
	(void)pthread_mutex_lock(&loop->lock);
	if (task->node.next != NULL) {
		list_remove(&task->node);
	}
	(void)pthread_mutex_unlock(&loop->lock);
}

void loop_post(struct loop *loop, struct loop_task *task, loop_fn fn, void *arg)
{
	task->fn = fn;
	task->arg = arg;
	(void)pthread_mutex_lock(&loop->lock);
	list_append(&loop->posted, &task->node);
	(void)pthread_mutex_unlock(&loop->lock);
	(void)uv_async_send(&loop->async);
}

void loop_close(struct loop *loop)
{
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->idle, NULL);
	uv_close((uv_handle_t *)&loop->async, NULL);
}

static void on_timer(uv_timer_t *handle)
{
	struct loop_timer *timer = handle->data;

	timer->fn(timer->arg);
}

void loop_timer_init(struct loop *loop, struct loop_timer *timer, loop_fn fn, void *arg)
{
	(void)uv_timer_init(&loop->uv, &timer->uv);
	timer->uv.data = timer;
	timer->fn = fn;
	timer->arg = arg;
	timer->closed = NULL;
}

/* libuv's clock is rounded down to whole ms: what is started late in one would fire early. */
void loop_timer_start(struct loop_timer *timer, uint64_t after_ms)
{
	uv_update_time(timer->uv.loop);
	(void)uv_timer_start(&timer->uv, on_timer, after_ms + (after_ms > 0), 0);
}

void loop_timer_stop(struct loop_timer *timer)
{
	(void)uv_timer_stop(&timer->uv);
}

bool loop_timer_active(const struct loop_timer *timer)
{
	return uv_is_active((const uv_handle_t *)&timer->uv) != 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct loop_timer *timer = handle->data;

	if (timer->closed != NULL) {
		timer->closed(timer->arg);
	}
}

void loop_timer_close(struct loop_timer *timer, loop_fn closed)
{
	timer->closed = closed;
	uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}
