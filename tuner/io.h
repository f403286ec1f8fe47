/*
 * All that the tuner has of the world: what time it is, timers, other threads, the store, who is asked over the
 * network. It reaches none of these but through this one table.
 *
 * The daemon fills it with its loop, its store and its connections (machine.h). tests/sim fills it with a world that
 * follows from a number, in which days pass in a second, answers are lost and power fails; a tuner that looks past the
 * table could not be proved there, so tools/layers.py says who may see what else.
 *
 * Everything is called on the loop thread and calls back on it, never from inside the call, unless its line says
 * something else. `world` is given to every function.
 */
#ifndef NARROWD_TUNER_IO_H
#define NARROWD_TUNER_IO_H

#include "backends/endpoint.h"
#include "base/given_clock.h"
#include "base/loop.h"
#include "store/store.h"

struct tuner_io {
	void *world;
	struct clock clock;
	/* An id that nobody has had (base/id.h); ID_SIZE bytes. */
	void (*make_id)(void *world, char *id, const char *prefix);

	/* As the functions of base/loop.h. */
	void (*defer)(void *world, struct loop_task *task, loop_fn fn, void *arg, const char *name);
	void (*cancel)(void *world, struct loop_task *task);
	void (*work)(void *world, struct loop_job *job, loop_fn work, loop_fn done, void *arg,
		     const char *name);
	void (*timer_init)(void *world, struct loop_timer *timer, loop_fn fn, void *arg,
			   const char *name);
	void (*timer_start)(void *world, struct loop_timer *timer, uint64_t after_ms);
	void (*timer_stop)(void *world, struct loop_timer *timer);
	bool (*timer_active)(void *world, const struct loop_timer *timer);
	void (*timer_close)(void *world, struct loop_timer *timer, loop_fn closed);

	/* As the functions of store/store.h; so insert() takes its events over. query_now() blocks; query_apart() does so on any thread. */
	bool (*writable)(void *world);
	void (*insert)(void *world, const struct store_job *job, struct log_event *events,
		       size_t count, const struct store_key *key, store_done_fn done, void *arg);
	void (*append)(void *world, const char *job, int64_t version,
		       const struct log_event *events, size_t count, const struct store_key *key,
		       store_done_fn done, void *arg);
	struct store_query_call *(*query)(void *world, int query, const struct store_value *values,
					  size_t count, store_rows_fn fn, void *arg);
	void (*query_cancel)(void *world, struct store_query_call *call);
	int (*query_now)(void *world, int query, const struct store_value *values, size_t count,
			 void (*row)(void *arg, char *const *cells), void *arg, struct err *reterr);
	int (*query_apart)(void *world, int query, const struct store_value *values, size_t count,
			   void (*row)(void *arg, char *const *cells), void *arg,
			   struct err *reterr);

	/* As the functions of backends/endpoint.h. */
	struct endpoint_call *(*ask)(void *world, const struct endpoint *endpoint,
				     const struct endpoint_question *question, endpoint_fn fn,
				     void *arg);
	struct endpoint_call *(*ask_json)(void *world, const struct endpoint *endpoint,
					  const struct endpoint_question *question, endpoint_fn fn,
					  void *arg);
	struct endpoint_call *(*capability)(void *world, const struct endpoint *endpoint,
					    endpoint_capability_fn fn, void *arg);
	void (*cancel_call)(void *world, struct endpoint_call *call); /* takes NULL */
	struct fetch *fetch; /* for SigOpt's API alone, which asks several things in a row */
};

static inline int64_t io_mono_ms(const struct tuner_io *io)
{
	return mono_of(&io->clock);
}

static inline int64_t io_wall_ms(const struct tuner_io *io)
{
	return wall_of(&io->clock);
}

#define io_defer(io, task, fn, arg)     (io)->defer((io)->world, task, fn, arg, LOOP_NAME(fn))
#define io_work(io, job, fn, done, arg) (io)->work((io)->world, job, fn, done, arg, LOOP_NAME(done))
#define io_timer_init(io, timer, fn, arg)                                                          \
	(io)->timer_init((io)->world, timer, fn, arg, LOOP_NAME(fn))

static inline void io_cancel(const struct tuner_io *io, struct loop_task *task)
{
	io->cancel(io->world, task);
}

static inline void io_timer_start(const struct tuner_io *io, struct loop_timer *timer,
				  uint64_t after_ms)
{
	io->timer_start(io->world, timer, after_ms);
}

static inline void io_timer_stop(const struct tuner_io *io, struct loop_timer *timer)
{
	io->timer_stop(io->world, timer);
}

static inline bool io_timer_active(const struct tuner_io *io, const struct loop_timer *timer)
{
	return io->timer_active(io->world, timer);
}

static inline void io_timer_close(const struct tuner_io *io, struct loop_timer *timer,
				  loop_fn closed)
{
	io->timer_close(io->world, timer, closed);
}

#endif
