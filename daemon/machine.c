/* Fills the tuner's table with the daemon's loop, its store and its connections. */
#include "daemon/machine.h"

#include "base/clock.h"
#include "base/id.h"

static int64_t mono_ms(void *arg)
{
	(void)arg;
	return clock_mono_ms();
}

static int64_t wall_ms(void *arg)
{
	(void)arg;
	return clock_wall_ms();
}

static void make_id(void *world, char *id, const char *prefix)
{
	(void)world;
	id_make(id, prefix);
}

static struct loop *loop_of(void *world)
{
	return ((struct machine *)world)->loop;
}

static struct store *store_of(void *world)
{
	return ((struct machine *)world)->store;
}

static struct fetch *fetch_of(void *world)
{
	return ((struct machine *)world)->fetch;
}

static void defer(void *world, struct loop_task *task, loop_fn fn, void *arg, const char *name)
{
	loop_defer_named(loop_of(world), task, fn, arg, name);
}

static void cancel(void *world, struct loop_task *task)
{
	loop_cancel(loop_of(world), task);
}

static void work(void *world, struct loop_job *job, loop_fn fn, loop_fn done, void *arg,
		 const char *name)
{
	loop_work_named(loop_of(world), job, fn, done, arg, name);
}

static void timer_init(void *world, struct loop_timer *timer, loop_fn fn, void *arg,
		       const char *name)
{
	loop_timer_init_named(loop_of(world), timer, fn, arg, name);
}

static void timer_start(void *world, struct loop_timer *timer, uint64_t after_ms)
{
	(void)world;
	loop_timer_start(timer, after_ms);
}

static void timer_stop(void *world, struct loop_timer *timer)
{
	(void)world;
	loop_timer_stop(timer);
}

static bool timer_active(void *world, const struct loop_timer *timer)
{
	(void)world;
	return loop_timer_active(timer);
}

static void timer_close(void *world, struct loop_timer *timer, loop_fn closed)
{
	(void)world;
	loop_timer_close(timer, closed);
}

static bool writable(void *world)
{
	return store_writable(store_of(world));
}

static void insert(void *world, const struct store_job *job, struct log_event *events, size_t count,
		   const struct store_key *key, store_done_fn done, void *arg)
{
	store_job_insert(store_of(world), job, events, count, key, done, arg);
}

static void append(void *world, const char *job, int64_t version, const struct log_event *events,
		   size_t count, const struct store_key *key, store_done_fn done, void *arg)
{
	store_append(store_of(world), job, version, events, count, key, done, arg);
}

static struct store_query_call *query(void *world, int what, const struct store_value *values,
				      size_t count, store_rows_fn fn, void *arg)
{
	return store_query(store_of(world), what, values, count, fn, arg);
}

static void query_cancel(void *world, struct store_query_call *call)
{
	(void)world;
	store_query_cancel(call);
}

static int query_now(void *world, int what, const struct store_value *values, size_t count,
		     void (*row)(void *arg, char *const *cells), void *arg, struct err *reterr)
{
	return store_query_now(store_of(world), what, values, count, row, arg, reterr);
}

static int query_apart(void *world, int what, const struct store_value *values, size_t count,
		       void (*row)(void *arg, char *const *cells), void *arg, struct err *reterr)
{
	return store_query_apart(store_of(world), what, values, count, row, arg, reterr);
}

static struct endpoint_call *ask(void *world, const struct endpoint *endpoint,
				 const struct endpoint_question *question, endpoint_fn fn,
				 void *arg)
{
	return endpoint_ask(fetch_of(world), endpoint, question, fn, arg);
}

static struct endpoint_call *ask_json(void *world, const struct endpoint *endpoint,
				      const struct endpoint_question *question, endpoint_fn fn,
				      void *arg)
{
	return endpoint_ask_json(fetch_of(world), endpoint, question, fn, arg);
}

static struct endpoint_call *capability(void *world, const struct endpoint *endpoint,
					endpoint_capability_fn fn, void *arg)
{
	return endpoint_capability(fetch_of(world), endpoint, fn, arg);
}

static void cancel_call(void *world, struct endpoint_call *call)
{
	(void)world;
	endpoint_cancel(call);
}

struct tuner_io machine_io(struct machine *machine)
{
	return (struct tuner_io){
		.world = machine,
		.clock = {mono_ms, wall_ms, NULL},
		.make_id = make_id,
		.defer = defer,
		.cancel = cancel,
		.work = work,
		.timer_init = timer_init,
		.timer_start = timer_start,
		.timer_stop = timer_stop,
		.timer_active = timer_active,
		.timer_close = timer_close,
		.writable = writable,
		.insert = insert,
		.append = append,
		.query = query,
		.query_cancel = query_cancel,
		.query_now = query_now,
		.query_apart = query_apart,
		.ask = ask,
		.ask_json = ask_json,
		.capability = capability,
		.cancel_call = cancel_call,
		.fetch = machine->fetch,
	};
}
