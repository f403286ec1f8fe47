/*
 * The event loop: libuv's, plus the three things that everyone here needs of it.
 *
 * One loop, owned by one thread. Everything below is called on that thread only, except
 * loop_post(). Timers are one-shot and re-armed by hand.
 */
#ifndef NARROWD_BASE_LOOP_H
#define NARROWD_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/list.h"

struct loop;

typedef void (*loop_fn)(void *arg);

/* A one-shot timer, embedded by its owner; memory must live until loop_timer_close() has called
 * back. */
struct loop_timer {
	uv_timer_t uv;
	loop_fn fn;
	void *arg;
	loop_fn closed;
};

/* Work to be done on the loop in its next turn; embedded by its owner, in at most one queue. */
struct loop_task {
	struct list node;
	loop_fn fn;
	void *arg;
};

struct loop *loop_create(void);
/* After loop_run() has returned and every handle is closed; asserts that nothing is left. */
void loop_destroy(struct loop *loop);
uv_loop_t *loop_uv(struct loop *loop);
/* Returns when no handle is left open. */
void loop_run(struct loop *loop);

/* Calls fn on the loop before it sleeps next; never from inside this call. */
void loop_defer(struct loop *loop, struct loop_task *task, loop_fn fn, void *arg);
/* Takes a task out of its queue, deferred or posted; harmless for one that is zeroed or has run. */
void loop_cancel(struct loop *loop, struct loop_task *task);
/* From any thread: hands a task to the loop. The task must not be queued already. */
void loop_post(struct loop *loop, struct loop_task *task, loop_fn fn, void *arg);
/* Closes the loop's own handles; deferred tasks run no more once loop_run() has returned. */
void loop_close(struct loop *loop);

void loop_timer_init(struct loop *loop, struct loop_timer *timer, loop_fn fn, void *arg);
/* Fires once, not before so many ms have passed: a lease ends then, and never earlier. */
void loop_timer_start(struct loop_timer *timer, uint64_t after_ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_active(const struct loop_timer *timer);
/* Calls closed(timer->arg) later; `closed` may be NULL. */
void loop_timer_close(struct loop_timer *timer, loop_fn closed);

#endif
