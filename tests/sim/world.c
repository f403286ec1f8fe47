/* Time, chance, and the life of the daemon in it. */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "tests/sim/judge.h"

enum { LIFE_OF_ALL = 0 };

struct happening {
	int64_t at_ms;
	uint64_t number;
	size_t place; /* in the heap */
	uint32_t life;
	loop_fn fn; /* NULL: cancelled */
	void *arg;
};

uint64_t draw(struct world *world, uint64_t below)
{
	return rng_below(&world->rng, below);
}

double draw_unit(struct world *world)
{
	return rng_unit(&world->rng);
}

int64_t draw_in(struct world *world, int64_t from, int64_t to)
{
	return from + (int64_t)draw(world, (uint64_t)(to - from) + 1);
}

bool goes_wrong(struct world *world, enum fault fault, double often)
{
	return world->has[fault] && !world->healed && draw_unit(world) < often * world->often;
}

int64_t world_wall_ms(const struct world *world)
{
	return world->mono_ms + world->wall_offset_ms;
}

void tell(struct world *world, const char *format, ...)
{
	va_list list;

	if (world->told == NULL) {
		return;
	}
	va_start(list, format);
	(void)fprintf(world->told, "%10.3f  ", (double)world->mono_ms / 1000);
	(void)vfprintf(world->told, format, list);
	(void)fputc('\n', world->told);
	va_end(list);
}

void broken(struct world *world, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	(void)fflush(stdout);
	(void)fprintf(stderr, "BROKEN: ");
	(void)vfprintf(stderr, format, list);
	(void)fprintf(stderr, " (after %llu happenings)\n  see it again: sim --seed %llu --tell\n",
		      (unsigned long long)world->happened, (unsigned long long)world->seed);
	va_end(list);
	(void)fflush(stderr);
	_exit(1);
}

/* In the place of base/log.c: who looks at one world sees what its daemon says. */
static struct world *telling;

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
	FILE *told = telling != NULL ? telling->told : NULL;

	(void)level;
	if (told == NULL) {
		return;
	}
	(void)fprintf(told, "            log: %s", message);
	for (; fields->name != NULL; fields++) {
		if (fields->kind == LOG_FIELD_TEXT) {
			(void)fprintf(told, " %s=%s", fields->name, fields->text);
		} else if (fields->kind == LOG_FIELD_INT) {
			(void)fprintf(told, " %s=%lld", fields->name, (long long)fields->integer);
		}
	}
	(void)fputc('\n', told);
}

static bool before(const struct happening *a, const struct happening *b)
{
	return a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->number < b->number);
}

static void put(struct world *world, size_t place, struct happening *happening)
{
	world->heap[place] = happening;
	happening->place = place;
}

static void rise(struct world *world, struct happening *happening)
{
	size_t place = happening->place;

	while (place > 0 && before(happening, world->heap[(place - 1) / 2])) {
		put(world, place, world->heap[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	put(world, place, happening);
}

static void sink(struct world *world, struct happening *happening)
{
	size_t place = happening->place, child;

	while ((child = 2 * place + 1) < world->heap_count) {
		if (child + 1 < world->heap_count &&
		    before(world->heap[child + 1], world->heap[child])) {
			child++;
		}
		if (!before(world->heap[child], happening)) {
			break;
		}
		put(world, place, world->heap[child]);
		place = child;
	}
	put(world, place, happening);
}

static struct happening *pop(struct world *world)
{
	struct happening *first = world->heap_count > 0 ? world->heap[0] : NULL;

	if (first != NULL && --world->heap_count > 0) {
		struct happening *last = world->heap[world->heap_count];

		last->place = 0;
		sink(world, last);
	}
	return first;
}

static struct happening *plan_for(struct world *world, uint32_t life, int64_t after_ms, loop_fn fn,
				  void *arg)
{
	struct happening *happening = mem_new(1, sizeof(*happening));

	*happening = (struct happening){
		world->mono_ms + after_ms, world->planned++, world->heap_count, life, fn, arg};
	world->heap = mem_grow(world->heap, world->heap_count + 1, sizeof(struct happening *));
	world->heap[world->heap_count++] = happening;
	rise(world, happening);
	return happening;
}

void plan(struct world *world, int64_t after_ms, loop_fn fn, void *arg)
{
	(void)plan_for(world, LIFE_OF_ALL, after_ms, fn, arg);
}

struct happening *plan_alive(struct world *world, int64_t after_ms, loop_fn fn, void *arg)
{
	return plan_for(world, world->life, after_ms, fn, arg);
}

void plan_cancel(struct happening *happening)
{
	happening->fn = NULL;
}

static void run_deferred(struct world *world)
{
	uint32_t life = world->life;

	while (world->life == life && !list_empty(&world->deferred)) {
		struct loop_task *task =
			list_entry(list_pop(&world->deferred), struct loop_task, node);

		task->fn(task->arg);
	}
}

/* A loop that is busy comes to its tasks later, but before it sleeps. */
static bool is_busy(struct world *world)
{
	return world->heap_count > 0 && world->heap[0]->at_ms == world->mono_ms &&
	       goes_wrong(world, FAULT_LATE, 0.3);
}

bool world_step(struct world *world)
{
	struct happening *next = pop(world);
	bool lives;

	if (next == NULL) {
		return false;
	}
	lives = next->life == LIFE_OF_ALL || next->life == world->life;
	if (lives && next->fn != NULL) {
		world->mono_ms = next->at_ms;
		world->happened++;
		next->fn(next->arg);
		if (!is_busy(world)) {
			run_deferred(world);
		}
		inside_check(world);
	}
	free(next);
	return true;
}

/* The tuner's table. */

static int64_t io_mono(void *arg)
{
	return ((struct world *)arg)->mono_ms;
}

static int64_t io_wall(void *arg)
{
	return world_wall_ms(arg);
}

static void io_make_id(void *arg, char *id, const char *prefix)
{
	struct world *world = arg;

	(void)snprintf(id, ID_SIZE, "%s%026llu", prefix, (unsigned long long)++world->ids);
}

static void io_task(void *arg, struct loop_task *task, loop_fn fn, void *fn_arg, const char *name)
{
	struct world *world = arg;

	task->fn = fn;
	task->arg = fn_arg;
	task->name = name;
	list_append(&world->deferred, &task->node);
}

static void io_task_cancel(void *arg, struct loop_task *task)
{
	(void)arg;
	if (task->node.next != NULL) {
		list_remove(&task->node);
	}
}

struct work {
	struct world *world;
	struct loop_job *job;
};

static void work_done(void *arg)
{
	struct loop_job *job = arg;

	job->done(job->arg);
}

static void work_runs(void *arg)
{
	struct work *work = arg;
	struct world *world = work->world;

	work->job->work(work->job->arg);
	(void)plan_alive(world, goes_wrong(world, FAULT_LATE, 0.3) ? draw_in(world, 0, 5000) : 0,
			 work_done, work->job);
	free(work);
}

static void io_work_on_pool(void *arg, struct loop_job *job, loop_fn fn, loop_fn done, void *fn_arg,
			    const char *name)
{
	struct world *world = arg;
	struct work *work = mem_new(1, sizeof(*work));

	job->work = fn;
	job->done = done;
	job->arg = fn_arg;
	job->name = name;
	*work = (struct work){world, job};
	(void)plan_alive(world, goes_wrong(world, FAULT_LATE, 0.3) ? draw_in(world, 0, 5000) : 1,
			 work_runs, work);
}

/* What is planned for a timer is kept where libuv would have its own. */
static struct happening **planned(struct loop_timer *timer)
{
	return (struct happening **)&timer->uv.data;
}

static void io_timer_new(void *arg, struct loop_timer *timer, loop_fn fn, void *fn_arg,
			 const char *name)
{
	(void)arg;
	*timer = (struct loop_timer){.fn = fn, .arg = fn_arg, .name = name};
}

static void fire(void *arg)
{
	struct loop_timer *timer = arg;

	*planned(timer) = NULL;
	timer->fn(timer->arg);
}

static void io_timer_off(void *arg, struct loop_timer *timer)
{
	(void)arg;
	if (*planned(timer) != NULL) {
		plan_cancel(*planned(timer));
		*planned(timer) = NULL;
	}
}

static void io_timer_on(void *arg, struct loop_timer *timer, uint64_t after_ms)
{
	struct world *world = arg;
	int64_t late = goes_wrong(world, FAULT_LATE, 0.2) ? draw_in(world, 1, 3000) : 0;

	io_timer_off(world, timer);
	*planned(timer) = plan_alive(world, (int64_t)after_ms + late, fire, timer);
}

static bool io_timer_runs(void *arg, const struct loop_timer *timer)
{
	(void)arg;
	return timer->uv.data != NULL;
}

static void timer_closed(void *arg)
{
	struct loop_timer *timer = arg;

	timer->closed(timer->arg);
}

static void io_timer_end(void *arg, struct loop_timer *timer, loop_fn closed)
{
	struct world *world = arg;

	io_timer_off(world, timer);
	timer->closed = closed;
	if (closed != NULL) {
		(void)plan_alive(world, 0, timer_closed, timer);
	}
}

static void fill_table(struct world *world)
{
	world->io = (struct tuner_io){
		.world = world,
		.clock = {io_mono, io_wall, world},
		.make_id = io_make_id,
		.defer = io_task,
		.cancel = io_task_cancel,
		.work = io_work_on_pool,
		.timer_init = io_timer_new,
		.timer_start = io_timer_on,
		.timer_stop = io_timer_off,
		.timer_active = io_timer_runs,
		.timer_close = io_timer_end,
	};
	disk_io(world->disk, &world->io);
	net_io(world->net, &world->io);
}

/* The daemon. */

static void start_again(void *arg)
{
	world_start(arg);
}

static int64_t away_for(struct world *world)
{
	return goes_wrong(world, FAULT_LONG_DOWN, 0.5) ? draw_in(world, 60000, 7200000)
						       : draw_in(world, 0, 3000);
}

void world_start(struct world *world)
{
	const struct tuner_options options = {
		.io = &world->io,
		.callback_url = "http://127.0.0.1:8585",
		.lease_ttl_ms = 60000,
		.evaluator_probe_ms = 30000,
		.evaluator_down_ms = 0,
	};
	struct err err;

	telling = world;
	fill_table(world);
	tell(world, "narrowd starts");
	world->stopping = false;
	judge_restarted(world->judge);
	world->tuner = tuner_create(&options);
	if (tuner_resume(world->tuner, &err) != 0) {
		broken(world, "a start fails: %s", err.message);
	}
}

void world_crash(struct world *world)
{
	tell(world, "narrowd dies");
	world->deaths++;
	world->life++;
	list_init(&world->deferred);
	world->tuner = NULL; /* its memory goes with the process */
	disk_crash(world->disk);
	plan(world, away_for(world), start_again, world);
}

static void stopped(void *arg)
{
	struct world *world = arg;

	tell(world, "narrowd has stopped");
	tuner_destroy(world->tuner);
	world->tuner = NULL;
	world->deaths++;
	world->life++;
	list_init(&world->deferred);
	disk_crash(world->disk);
	plan(world, away_for(world), start_again, world);
}

void world_stop(struct world *world)
{
	tell(world, "narrowd is stopped");
	world->stopping = true;
	tuner_stop(world->tuner, (uint64_t)draw_in(world, 0, 30000), stopped, world);
}
