/*
 * The event loop: libuv's, plus the three things that everyone here needs of it.
 *
 * One loop, owned by one thread. Everything below is called on that thread only, except
 * loop_post(). Timers are one-shot and re-armed by hand.
 *
 * The loop never waits: no piece of work on it may take more than LOOP_PIECE_MS of CPU. Each task, timer
 * and completion is measured by the thread's CPU clock, which does not count what other processes
 * take, and one that takes more is named in a log line and counted. What can grow belongs to
 * loop_work(), or in slices.
 */
#ifndef NARROWD_BASE_LOOP_H
#define NARROWD_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/histogram.h"
#include "base/list.h"

struct loop;

typedef void (*loop_fn)(void *arg);

/* A one-shot timer, embedded by its owner; memory must live until loop_timer_close() has called
 * back. */
struct loop_timer {
	uv_timer_t uv;
	loop_fn fn;
	void *arg;
	const char *name; /* of fn */
	struct loop *loop;
	loop_fn closed;
};

/* Work to be done on the loop in its next turn; embedded by its owner, in at most one queue. */
struct loop_task {
	struct list node;
	loop_fn fn;
	void *arg;
	const char *name; /* of fn */
};

/* Work for a thread of the pool; embedded by its owner, who must live until `done`. */
struct loop_job {
	uv_work_t uv;
	struct loop *loop;
	loop_fn work, done;
	void *arg;
	const char *name; /* of done */
};

#ifdef __SANITIZE_ADDRESS__
enum { LOOP_PIECE_MS = 25 };
#elif defined(__SANITIZE_THREAD__)
enum { LOOP_PIECE_MS = 25 };
#else
enum { LOOP_PIECE_MS = 5 };
#endif

/* Pieces that took longer than they may. */
struct loop_slow {
	uint64_t count;
	uint64_t total_us;
};

/* Where a function is called from, for people. */
#define LOOP_NAME(fn) __FILE__ ": " #fn

struct loop *loop_create(void);
/* After loop_run() has returned and every handle is closed; asserts that nothing is left. */
void loop_destroy(struct loop *loop);
uv_loop_t *loop_uv(struct loop *loop);
/* Returns when no handle is left open. */
void loop_run(struct loop *loop);

/* Calls fn on the loop before it sleeps next; never from inside this call. */
#define loop_defer(loop, task, fn, arg) loop_defer_named(loop, task, fn, arg, LOOP_NAME(fn))
void loop_defer_named(struct loop *loop, struct loop_task *task, loop_fn fn, void *arg,
		      const char *name);
/* Takes a task out of its queue, deferred or posted; harmless for one that is zeroed or has run. */
void loop_cancel(struct loop *loop, struct loop_task *task);
/* From any thread: hands a task to the loop. The task must not be queued already. */
#define loop_post(loop, task, fn, arg) loop_post_named(loop, task, fn, arg, LOOP_NAME(fn))
void loop_post_named(struct loop *loop, struct loop_task *task, loop_fn fn, void *arg,
		     const char *name);
/* Calls work(arg) on a thread of the pool, then done(arg) on the loop. It cannot be taken back: whoever
 * loses interest says so in a flag that `work` looks at. */
#define loop_work(loop, job, work, done, arg)                                                      \
	loop_work_named(loop, job, work, done, arg, LOOP_NAME(done))
void loop_work_named(struct loop *loop, struct loop_job *job, loop_fn work, loop_fn done, void *arg,
		     const char *name);

/* For what others call on the loop (handlers, curl's completions): the piece is what happens between
 * the two, `since` what the first returned. Where pieces are nested the outer one counts. */
uint64_t loop_piece_begin(struct loop *loop);
void loop_piece_end(struct loop *loop, uint64_t since, const char *name);
struct loop_slow loop_slow(const struct loop *loop);
/* How late the loop came to what was due: asked of it once a second, by the wall clock. */
struct histogram loop_lag(const struct loop *loop);
/* Closes the loop's own handles; deferred tasks run no more once loop_run() has returned. */
void loop_close(struct loop *loop);

#define loop_timer_init(loop, timer, fn, arg)                                                      \
	loop_timer_init_named(loop, timer, fn, arg, LOOP_NAME(fn))
void loop_timer_init_named(struct loop *loop, struct loop_timer *timer, loop_fn fn, void *arg,
			   const char *name);
/* Fires once, not before so many ms have passed: a lease ends then, and never earlier. */
void loop_timer_start(struct loop_timer *timer, uint64_t after_ms);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_active(const struct loop_timer *timer);
/* Calls closed(timer->arg) later; `closed` may be NULL. */
void loop_timer_close(struct loop_timer *timer, loop_fn closed);

#endif
