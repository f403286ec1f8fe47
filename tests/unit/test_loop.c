/*
 * base/loop: order and life time of deferred tasks, posted tasks and timers.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/loop.h"

enum { POSTS = 1000 };

struct world {
	struct loop *loop;
	struct loop_task a, b, c;
	struct loop_timer timer;
	struct loop_task posts[POSTS];
	struct loop_task mine[POSTS];
	char seen[16];
	int count;
};

static void note(struct world *world, const char *what)
{
	strcat(world->seen, what);
}

static void on_c(void *arg)
{
	struct world *world = arg;

	note(world, "c");
	loop_close(world->loop);
}

static void on_b(void *arg)
{
	note(arg, "b");
}

static void on_a(void *arg)
{
	struct world *world = arg;

	note(world, "a");
	loop_defer(world->loop, &world->c, on_c, world);
	cr_assert_str_eq(world->seen, "a", "a deferred task never runs inside loop_defer");
}

Test(loop, deferred_tasks_run_in_order_and_later_ones_in_the_next_turn)
{
	struct world world = {.loop = loop_create()};

	loop_defer(world.loop, &world.a, on_a, &world);
	loop_defer(world.loop, &world.b, on_b, &world);
	cr_assert_str_empty(world.seen);
	loop_run(world.loop);
	cr_assert_str_eq(world.seen, "abc");
	loop_destroy(world.loop);
}

Test(loop, a_cancelled_task_never_runs)
{
	struct world world = {.loop = loop_create()};

	loop_cancel(world.loop, &world.b);
	loop_defer(world.loop, &world.a, on_a, &world);
	loop_defer(world.loop, &world.b, on_b, &world);
	loop_cancel(world.loop, &world.b);
	loop_cancel(world.loop, &world.b);
	loop_run(world.loop);
	cr_assert_str_eq(world.seen, "ac");
	loop_destroy(world.loop);
}

static void on_post(void *arg)
{
	struct world *world = arg;

	if (++world->count == POSTS) {
		loop_close(world->loop);
	}
}

static void *post_all(void *arg)
{
	struct world *world = arg;

	for (int i = 0; i < POSTS; i++) {
		loop_post(world->loop, &world->posts[i], on_post, world);
	}
	return NULL;
}

Test(loop, every_task_posted_by_another_thread_runs_once)
{
	static struct world world;
	pthread_t thread;

	world.loop = loop_create();
	cr_assert_eq(pthread_create(&thread, NULL, post_all, &world), 0);
	loop_run(world.loop);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_assert_eq(world.count, POSTS);
	loop_destroy(world.loop);
}

static void forbidden(void *arg)
{
	(void)arg;
	cr_assert_fail("a cancelled task has run");
}

/* On the loop, while another thread posts: what that one has queued last has a cancelled neighbour. */
static void cancel_each(void *arg)
{
	struct world *world = arg;

	for (int i = 0; i < POSTS; i++) {
		loop_post(world->loop, &world->mine[i], forbidden, NULL);
		loop_cancel(world->loop, &world->mine[i]);
	}
}

Test(loop, a_posted_task_is_cancelled_while_others_are_posted)
{
	static struct world world;
	pthread_t thread;

	world.loop = loop_create();
	loop_defer(world.loop, &world.a, cancel_each, &world);
	cr_assert_eq(pthread_create(&thread, NULL, post_all, &world), 0);
	loop_run(world.loop);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_assert_eq(world.count, POSTS);
	loop_destroy(world.loop);
}

static void on_closed(void *arg)
{
	struct world *world = arg;

	note(world, "x");
	loop_close(world->loop);
}

static void on_timer(void *arg)
{
	struct world *world = arg;

	note(world, "t");
	cr_assert_not(loop_timer_active(&world->timer), "a timer is one-shot");
	if (strcmp(world->seen, "tt") == 0) {
		loop_timer_close(&world->timer, on_closed);
	} else {
		loop_timer_start(&world->timer, 1);
	}
}

Test(loop, a_timer_fires_once_per_start_and_tells_when_it_is_closed)
{
	struct world world = {.loop = loop_create()};

	loop_timer_init(world.loop, &world.timer, on_timer, &world);
	cr_assert_not(loop_timer_active(&world.timer));
	loop_timer_start(&world.timer, 1000 * 1000);
	cr_assert(loop_timer_active(&world.timer));
	loop_timer_stop(&world.timer);
	cr_assert_not(loop_timer_active(&world.timer));
	loop_timer_start(&world.timer, 0);
	loop_run(world.loop);
	cr_assert_str_eq(world.seen, "ttx");
	loop_destroy(world.loop);
}

enum { WAITS = 50, WAIT_MS = 2 };

struct waits {
	struct loop *loop;
	struct loop_timer timer;
	struct loop_task busy;
	int64_t started_ns;
	int count, early;
};

static int64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void wait_once(struct waits *waits)
{
	waits->started_ns = now_ns();
	loop_timer_start(&waits->timer, WAIT_MS);
}

static void on_waits_closed(void *arg)
{
	struct waits *waits = arg;

	loop_close(waits->loop);
}

static void on_waited(void *arg)
{
	struct waits *waits = arg;

	waits->early += now_ns() - waits->started_ns < WAIT_MS * INT64_C(1000000);
	if (++waits->count < WAITS) {
		wait_once(waits);
	} else {
		loop_timer_close(&waits->timer, on_waits_closed);
	}
}

/* A loop that sleeps wakes up late; one that is busy looks at the clock all the time. */
static void on_busy(void *arg)
{
	struct waits *waits = arg;

	if (waits->count < WAITS) {
		loop_defer(waits->loop, &waits->busy, on_busy, waits);
	}
}

Test(loop, a_timer_never_fires_before_its_time)
{
	struct waits waits = {.loop = loop_create()};

	loop_timer_init(waits.loop, &waits.timer, on_waited, &waits);
	on_busy(&waits);
	wait_once(&waits);
	loop_run(waits.loop);
	loop_destroy(waits.loop);
	cr_assert_eq(waits.early, 0, "%d of %d", waits.early, waits.count);
}

Test(loop, destroy_takes_null)
{
	struct loop *none = NULL;

	loop_destroy(none);
	cr_assert_null(none);
}

static volatile unsigned burned;

/* By the thread's own clock, so that a busy machine changes nothing. */
static void burn(void *arg)
{
	struct timespec now;
	int64_t until_ms = *(const int64_t *)arg, ms;

	do {
		burned++;
		(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
		ms = now.tv_sec * 1000 + now.tv_nsec / 1000000;
	} while (ms < until_ms);
}

static int64_t cpu_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct both {
	struct loop *loop;
	int64_t until_ms;
};

static void burn_on_the_pool(void *arg)
{
	int64_t until_ms = cpu_ms() + INT64_C(2) * LOOP_PIECE_MS;

	(void)arg;
	burn(&until_ms);
}

static void close_both(void *arg)
{
	loop_close(((struct both *)arg)->loop);
}

Test(loop, pieces_that_take_too_long_are_counted_and_others_are_not)
{
	struct both both = {.loop = loop_create()};
	struct loop_task task = {0};
	struct loop_job job;

	both.until_ms = cpu_ms() + INT64_C(2) * LOOP_PIECE_MS;
	loop_defer(both.loop, &task, burn, &both.until_ms);
	loop_work(both.loop, &job, burn_on_the_pool, close_both, &both);
	loop_run(both.loop);
	cr_assert_eq(loop_slow(both.loop).count, 1, "what a pool thread does holds nobody up");
	cr_assert_geq(loop_slow(both.loop).total_us, UINT64_C(1000) * LOOP_PIECE_MS);
	loop_destroy(both.loop);
}
