/* Runs tasks, posts, timers and work around libuv's loop, and says which piece of work was slow. */
#include "base/loop.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
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
	int depth;          /* of pieces */
	uint64_t cpu_ns;    /* the thread's CPU clock, and by the other clock */
	uint64_t cpu_at_ns; /* when it was read */
	struct loop_slow slow;
	uv_timer_t tick;
	uint64_t tick_due_ns;
	struct histogram lag;
};

enum { TICK_MS = 1000, CPU_STALE_NS = 100 * 1000 };

static uint64_t cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/*
 * The thread's CPU clock is a system call, and two for each piece cost more than a short answer does. So it is read
 * when the last reading is older than CPU_STALE_NS, and at the end of a piece that may have been slow: none takes more
 * CPU than time. What the thread may have taken between reading and beginning is not the piece's.
 */
uint64_t loop_piece_begin(struct loop *loop)
{
	uint64_t now;

	if (loop->depth++ > 0) {
		return 0;
	}
	now = uv_hrtime();
	if (now - loop->cpu_at_ns > CPU_STALE_NS) {
		loop->cpu_ns = cpu_ns();
		loop->cpu_at_ns = now;
	}
	return now;
}

void loop_piece_end(struct loop *loop, uint64_t since, const char *name)
{
	const uint64_t most_ns = UINT64_C(1000000) * LOOP_PIECE_MS;
	uint64_t us, taken;

	if (--loop->depth > 0 || uv_hrtime() - since <= most_ns) {
		return;
	}
	taken = cpu_ns() - loop->cpu_ns;
	us = taken > since - loop->cpu_at_ns ? (taken - (since - loop->cpu_at_ns)) / 1000 : 0;
	if (us * 1000 > most_ns) {
		loop->slow.count++;
		loop->slow.total_us += us;
		log_line(LOG_WARNING, "the loop was held up", LOG_TEXT("by", name),
			 LOG_INT("cpu_us", (int64_t)us));
	}
}

struct loop_slow loop_slow(const struct loop *loop)
{
	return loop->slow;
}

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
		const char *name = task->name; /* the task may be gone afterwards */
		uint64_t since = loop_piece_begin(loop);

		task->fn(task->arg);
		loop_piece_end(loop, since, name);
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

struct histogram loop_lag(const struct loop *loop)
{
	return loop->lag;
}

static void on_tick(uv_timer_t *handle);

static void start_tick(struct loop *loop)
{
	uv_update_time(&loop->uv);
	loop->tick_due_ns = uv_hrtime() + UINT64_C(1000000) * TICK_MS;
	(void)uv_timer_start(&loop->tick, on_tick, TICK_MS, 0);
}

static void on_tick(uv_timer_t *handle)
{
	struct loop *loop = handle->data;
	uint64_t now = uv_hrtime();

	histogram_add(&loop->lag,
		      now > loop->tick_due_ns ? (double)(now - loop->tick_due_ns) / 1e9 : 0);
	start_tick(loop);
}

struct loop *loop_create(void)
{
	struct loop *loop = mem_new(1, sizeof(*loop));

	if (uv_loop_init(&loop->uv) != 0 || uv_prepare_init(&loop->uv, &loop->prepare) != 0 ||
	    uv_idle_init(&loop->uv, &loop->idle) != 0 ||
	    uv_async_init(&loop->uv, &loop->async, on_async) != 0 ||
	    uv_timer_init(&loop->uv, &loop->tick) != 0) {
		abort();
	}
	loop->prepare.data = loop->idle.data = loop->async.data = loop->tick.data = loop;
	list_init(&loop->deferred);
	list_init(&loop->posted);
	(void)pthread_mutex_init(&loop->lock, NULL);
	(void)uv_prepare_start(&loop->prepare, on_prepare);
	start_tick(loop);
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

void loop_defer_named(struct loop *loop, struct loop_task *task, loop_fn fn, void *arg,
		      const char *name)
{
	task->fn = fn;
	task->name = name;
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

void loop_post_named(struct loop *loop, struct loop_task *task, loop_fn fn, void *arg,
		     const char *name)
{
	task->fn = fn;
	task->name = name;
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
	uv_close((uv_handle_t *)&loop->tick, NULL);
}

static void on_work(uv_work_t *work)
{
	struct loop_job *job = work->data;

	job->work(job->arg);
}

static void after_work(uv_work_t *work, int status)
{
	struct loop_job *job = work->data;
	struct loop *loop = job->loop;
	const char *name = job->name;
	uint64_t since = loop_piece_begin(loop);

	(void)status; /* nothing is taken back */
	job->done(job->arg);
	loop_piece_end(loop, since, name);
}

void loop_work_named(struct loop *loop, struct loop_job *job, loop_fn work, loop_fn done, void *arg,
		     const char *name)
{
	*job = (struct loop_job){
		.loop = loop, .work = work, .done = done, .arg = arg, .name = name};
	job->uv.data = job;
	(void)uv_queue_work(&loop->uv, &job->uv, on_work, after_work);
}

static void on_timer(uv_timer_t *handle)
{
	struct loop_timer *timer = handle->data;
	struct loop *loop = timer->loop;
	const char *name = timer->name;
	uint64_t since = loop_piece_begin(loop);

	timer->fn(timer->arg);
	loop_piece_end(loop, since, name);
}

void loop_timer_init_named(struct loop *loop, struct loop_timer *timer, loop_fn fn, void *arg,
			   const char *name)
{
	timer->loop = loop;
	timer->name = name;
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
