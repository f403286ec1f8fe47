/* Where questions wait for workers: jobs with questions take turns. */
#include "tuner/pool.h"

#include <stdlib.h>

#include "base/mem.h"
#include "job/endgame.h"

static void on_kept(void *arg)
{
	struct pool *pool = arg;

	pool->tuner->up->serve(pool);
}

struct pool *pool_join(struct tuner *tuner, const char *name)
{
	struct pool *pool = (struct pool *)map_get(&tuner->pools, name, 0); /* NOLINT */

	if (pool == NULL) {
		pool = mem_new(1, sizeof(*pool));
		pool->tuner = tuner;
		pool->name = mem_dup(name);
		turns_init(&pool->runs);
		list_init(&pool->polls);
		list_init(&pool->task.node);
		io_timer_init(tuner->io, &pool->kept, on_kept, pool);
		map_set(&tuner->pools, name, (intptr_t)pool);
	}
	pool->users++;
	return pool;
}

static void on_pool_closed(void *arg)
{
	struct pool *pool = arg;

	turns_finish(&pool->runs);
	free(pool->name);
	free(pool);
}

void pool_release(struct pool *pool)
{
	if (pool == NULL || --pool->users > 0) {
		return;
	}
	io_cancel(pool->tuner->io, &pool->task);
	map_remove(&pool->tuner->pools, pool->name);
	io_timer_close(pool->tuner->io, &pool->kept, on_pool_closed);
}

static void on_task(void *arg)
{
	struct pool *pool = arg;

	pool->task_queued = false;
	pool->tuner->up->serve(pool);
}

static void serve_soon(struct pool *pool)
{
	if (!pool->task_queued && !list_empty(&pool->polls)) {
		pool->task_queued = true;
		io_defer(pool->tuner->io, &pool->task, on_task, pool);
	}
}

static void join(struct run *run)
{
	if (list_empty(&run->in_pool) && !list_empty(&run->due) && run->job->state != JOB_PAUSED &&
	    !run->tuner->stopping) {
		turns_join(&run->pool->runs, run->owner, &run->in_pool);
		serve_soon(run->pool);
	}
}

/* A round is measured by one worker where that can be: it has the first chance to go on, for as long as
 * a lease lasts. */
static int64_t kept_until(const struct flight *flight)
{
	const struct run *run = flight->run;
	const char *worker = endgame_worker(run->job, flight->trial);
	const struct tuner *tuner = run->tuner;

	if (worker == NULL ||
	    !workers_may(&tuner->workers, run->pool->name, worker, run->job->id)) {
		return 0;
	}
	return io_mono_ms(tuner->io) + (int64_t)tuner->options.lease_ttl_ms;
}

void pool_offer(struct flight *flight)
{
	flight->kept_until = kept_until(flight);
	list_append(&flight->run->due, &flight->due);
	join(flight->run);
}

void pool_withdraw(struct flight *flight)
{
	list_remove(&flight->due);
	if (list_empty(&flight->run->due)) {
		list_remove(&flight->run->in_pool);
	}
}

void pool_resume(struct run *run)
{
	if (run->pool != NULL) {
		join(run);
	}
}

void pool_leave(struct run *run)
{
	list_remove(&run->in_pool);
}
