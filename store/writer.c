/* Commits what is queued in groups, on the one connection that may write. */
#include "store/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/follow.h"
#include "store/record.h"
#include "store/thread.h"

/* How long a store that stops still waits for PostgreSQL. */
enum { LAST_WAIT_MS = 5000 };

struct writer {
	struct loop *loop;
	struct thread thread;
	struct group groups[2]; /* on the writer's thread: one is run, the other one is next */
	struct group *next;     /* of a shared log: may have been taken already */
	bool started;
	struct apply apply;
	struct follow follow; /* when `shared` is not NULL */
	struct shared *shared;
	atomic_int_least64_t give_up_at_ms; /* 0: not yet */
	struct news news;                   /* used on the loop only */
	struct loop_task alarm;
	struct loop_task good_news;
	loop_fn on_free; /* used on the loop only */
	void *on_free_arg;
	void (*on_lost)(void *arg, const struct err *why); /* used on the loop only */
	void *on_lost_arg;
	struct loop_task change;
	loop_fn on_writer; /* used on the loop only */
	void *on_writer_arg;
	pthread_mutex_t lock; /* guards the next eight */
	pthread_cond_t wake;
	struct queue queue;
	bool stopping;
	struct histogram commit_time;
	struct store_writer other; /* who appends */
	bool change_is_told;       /* `change` is on its way */
	char *url;                 /* to advertise; owned, or NULL */
	bool url_is_new;
	int wakes; /* of one that only follows: an eventfd, or -1 */
	atomic_uint_fast64_t notified;
	atomic_uint_fast64_t commits;
	atomic_uint_fast64_t operations;
	atomic_uint_fast64_t failures;
};

static void post(void *arg, struct op *op)
{
	struct writer *writer = arg;

	if (op->rc != 0) {
		atomic_fetch_add(&writer->failures, 1);
	}
	atomic_fetch_add(&writer->operations, 1);
	op_forget_events(op); /* there may be more of them than the loop has time for */
	loop_post(writer->loop, &op->task, op_finish, op);
}

/* Under the lock. */
static bool has_work(const struct writer *writer)
{
	return !list_empty(&writer->queue.ops) || writer->stopping || writer->url_is_new;
}

static void wait_for_work(struct writer *writer)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ROOM_PROBE_MS / 1000;
	while (!has_work(writer) &&
	       pthread_cond_timedwait(&writer->wake, &writer->lock, &until) == 0) {
	}
}

/* Of one that only follows: for what others append, too. */
static void wait_for_others(struct writer *writer)
{
	eventfd_t unused;

	if (!has_work(writer)) {
		(void)pthread_mutex_unlock(&writer->lock);
		if (follow_wait(&writer->follow, writer->wakes, ROOM_PROBE_MS)) {
			atomic_fetch_add(&writer->notified, 1);
		}
		(void)pthread_mutex_lock(&writer->lock);
	}
	(void)eventfd_read(writer->wakes, &unused);
}

/* The writer has something to do. Under the lock. */
static void rouse(struct writer *writer)
{
	(void)pthread_cond_signal(&writer->wake);
	if (writer->wakes >= 0) {
		(void)eventfd_write(writer->wakes, 1);
	}
}

/* Waits a while for work, unless there is some of the writer's own: then the group may be empty. */
static void take(struct writer *writer, struct group *group)
{
	bool busy = room_is_sparse(&writer->apply.room);

	(void)pthread_mutex_lock(&writer->lock);
	if (!busy) {
		(writer->wakes >= 0 ? wait_for_others : wait_for_work)(writer);
	}
	queue_take(&writer->queue, group);
	(void)pthread_mutex_unlock(&writer->lock);
}

/* What has come while PostgreSQL flushed. */
static size_t take_more(void *arg, struct op *const **ret_ops)
{
	struct writer *writer = arg;

	(void)pthread_mutex_lock(&writer->lock);
	queue_take(&writer->queue, writer->next);
	(void)pthread_mutex_unlock(&writer->lock);
	*ret_ops = writer->next->ops;
	return writer->next->count;
}

/* The group to be run now; the other one is to be the next. */
static struct group *turn(struct writer *writer)
{
	struct group *now = writer->next;

	writer->next = now == &writer->groups[0] ? &writer->groups[1] : &writer->groups[0];
	writer->next->count = 0;
	if (now->count == 0) {
		take(writer, now);
	}
	return now;
}

static bool is_final(struct writer *writer)
{
	bool final;

	(void)pthread_mutex_lock(&writer->lock);
	final = writer->stopping && list_empty(&writer->queue.ops) && writer->next->count == 0;
	(void)pthread_mutex_unlock(&writer->lock);
	return final;
}

static void tell_lost(void *arg)
{
	struct writer *writer = arg;

	if (writer->on_lost != NULL) {
		writer->on_lost(writer->on_lost_arg, &writer->apply.why);
	}
}

static void on_lost(void *arg)
{
	struct writer *writer = arg;

	loop_post(writer->loop, &writer->alarm, tell_lost, writer);
}

static void tell_free(void *arg)
{
	struct writer *writer = arg;

	if (writer->on_free != NULL) {
		writer->on_free(writer->on_free_arg);
	}
}

static void on_free(void *arg)
{
	struct writer *writer = arg;

	loop_post(writer->loop, &writer->good_news, tell_free, writer);
}

static void tell_change(void *arg)
{
	struct writer *writer = arg;

	(void)pthread_mutex_lock(&writer->lock);
	writer->change_is_told = false;
	(void)pthread_mutex_unlock(&writer->lock);
	if (writer->on_writer != NULL) {
		writer->on_writer(writer->on_writer_arg);
	}
}

static bool is_same(const struct store_writer *one, const struct store_writer *other)
{
	return one->is_there == other->is_there && strcmp(one->host, other->host) == 0 &&
	       strcmp(one->url, other->url) == 0;
}

static void on_writer(void *arg, const struct store_writer *found)
{
	struct writer *writer = arg;

	(void)pthread_mutex_lock(&writer->lock);
	if (!is_same(&writer->other, found)) {
		writer->other = *found;
		if (!writer->change_is_told) {
			writer->change_is_told = true;
			loop_post(writer->loop, &writer->change, tell_change, writer);
		}
	}
	(void)pthread_mutex_unlock(&writer->lock);
}

static void on_commit(void *arg, double seconds)
{
	struct writer *writer = arg;

	(void)pthread_mutex_lock(&writer->lock);
	histogram_add(&writer->commit_time, seconds);
	(void)pthread_mutex_unlock(&writer->lock);
	atomic_fetch_add(&writer->commits, 1);
}

/* Another daemon's: those who wait for news hear of it as of our own. */
static void on_foreign(void *arg, struct op *op)
{
	struct writer *writer = arg;

	op->news = &writer->news;
	op->foreign = true;
	post(writer, op);
}

static bool is_given_up(void *arg)
{
	struct writer *writer = arg;
	int64_t at_ms = atomic_load(&writer->give_up_at_ms);

	return at_ms != 0 && clock_mono_ms() >= at_ms;
}

static void run_group(struct writer *writer, const struct group *group)
{
	if (writer->shared != NULL) {
		follow_group(&writer->follow, group->ops, group->count);
		return;
	}
	apply_group(&writer->apply, group->ops, group->count);
	for (size_t i = 0; i < group->count; i++) {
		post(writer, group->ops[i]);
	}
}

/* Whether there is something to be told to other daemons. */
static bool advertises(struct writer *writer)
{
	(void)pthread_mutex_lock(&writer->lock);
	if (writer->url_is_new) {
		writer->url_is_new = false;
		shared_advertise(writer->shared, writer->url);
	}
	(void)pthread_mutex_unlock(&writer->lock);
	return writer->shared->joined && !writer->shared->url_is_said;
}

static void work(struct thread *thread)
{
	struct writer *writer = thread->arg;

	while (!is_final(writer)) {
		const struct group *group = turn(writer);

		if (group->count > 0) {
			run_group(writer, group);
		} else if (room_is_sparse(&writer->apply.room)) {
			apply_give_back(&writer->apply);
		}
		if (writer->shared != NULL && (advertises(writer) || group->count == 0)) {
			follow_idle(&writer->follow);
		}
		apply_look(&writer->apply);
	}
	apply_end(&writer->apply);
	/* What was taken to begin anew nobody else is to get in between. */
	if (writer->shared != NULL && !writer->follow.claimed) {
		shared_leave(writer->shared);
	}
}

static int prepare(struct writer *writer, sqlite3 *db, const struct writer_options *options,
		   struct err *reterr)
{
	int rc;

	writer->apply.replica = options->replica;
	writer->apply.on_lost = on_lost;
	writer->apply.on_commit = on_commit;
	writer->apply.arg = writer;
	rc = apply_init(&writer->apply, db, options->directory, options->max_bytes, reterr);
	if (rc != 0 || options->shared == NULL) {
		return rc;
	}
	writer->shared = options->shared;
	writer->follow = (struct follow){.apply = &writer->apply,
					 .shared = options->shared,
					 .give_up = is_given_up,
					 .standby = options->standby,
					 .on_writer = on_writer,
					 .on_free = on_free,
					 .on_result = post,
					 .more = take_more,
					 .arg = writer};
	writer->other = options->shared->other;
	if (options->standby) {
		writer->wakes = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		options->shared->listens = true;
		options->shared->checked = false; /* which makes it begin to */
	}
	shared_give_up_when(options->shared, is_given_up, writer);
	rc = follow_init(&writer->follow, reterr);
	writer->follow.on_foreign = on_foreign; /* what ran before this nobody could hear of */
	return rc;
}

struct writer *writer_create(struct loop *loop, sqlite3 *db, const struct writer_options *options,
			     struct err *reterr)
{
	struct writer *writer = mem_new(1, sizeof(*writer));

	writer->loop = loop;
	writer->next = &writer->groups[0];
	writer->wakes = -1;
	queue_init(&writer->queue);
	news_init(&writer->news, loop);
	thread_init_wait(&writer->lock, &writer->wake);
	if (prepare(writer, db, options, reterr) != 0) {
		goto fail;
	}
	if (thread_start(&writer->thread, "store-writer", loop, work, writer, reterr) != 0) {
		goto fail;
	}
	writer->started = true;
	return writer;
fail:
	writer_destroy(writer);
	return NULL;
}

void writer_push(struct writer *writer, struct op *op)
{
	struct err err ERR_UNCLEARED;

	op->news = &writer->news;
	if (writer->stopping) {
		(void)err_set(&err, ERR_DRAINING, "the store is closing");
		op_result(op, -(int)ERR_DRAINING, &err);
		loop_defer(writer->loop, &op->task, op_finish, op);
		return;
	}
	op->bytes = writer->shared != NULL ? (int64_t)record_length(op) : 0;
	(void)pthread_mutex_lock(&writer->lock);
	queue_append(&writer->queue, op);
	rouse(writer);
	(void)pthread_mutex_unlock(&writer->lock);
}

struct news *writer_news(struct writer *writer)
{
	return &writer->news;
}

void writer_on_lost(struct writer *writer, void (*fn)(void *arg, const struct err *why), void *arg)
{
	writer->on_lost = fn;
	writer->on_lost_arg = arg;
}

void writer_on_free(struct writer *writer, void (*fn)(void *arg), void *arg)
{
	writer->on_free = fn;
	writer->on_free_arg = arg;
}

int64_t writer_position(const struct writer *writer)
{
	return atomic_load(&writer->follow.position);
}

void writer_look(struct writer *writer, struct store_writer *ret)
{
	(void)pthread_mutex_lock(&writer->lock);
	*ret = writer->other;
	(void)pthread_mutex_unlock(&writer->lock);
}

void writer_on_writer(struct writer *writer, void (*fn)(void *arg), void *arg)
{
	writer->on_writer = fn;
	writer->on_writer_arg = arg;
}

void writer_advertise(struct writer *writer, const char *url)
{
	(void)pthread_mutex_lock(&writer->lock);
	free(writer->url);
	writer->url = url != NULL ? mem_dup(url) : NULL;
	writer->url_is_new = writer->shared != NULL;
	rouse(writer);
	(void)pthread_mutex_unlock(&writer->lock);
}

bool writer_writable(const struct writer *writer)
{
	return !atomic_load(&writer->apply.room.full) && !atomic_load(&writer->follow.away);
}

bool writer_is_away(const struct writer *writer)
{
	return atomic_load(&writer->follow.away) && !atomic_load(&writer->apply.room.full);
}

bool writer_is_crowded(struct writer *writer)
{
	bool crowded;

	if (!atomic_load(&writer->follow.away)) {
		return false;
	}
	(void)pthread_mutex_lock(&writer->lock);
	crowded = queue_is_long(&writer->queue);
	(void)pthread_mutex_unlock(&writer->lock);
	return crowded;
}

void writer_stats(struct writer *writer, struct store_stats *ret)
{
	ret->commits = atomic_load(&writer->commits);
	ret->operations = atomic_load(&writer->operations);
	ret->failures = atomic_load(&writer->failures);
	ret->notified = atomic_load(&writer->notified);
	ret->used_bytes = atomic_load(&writer->apply.room.used);
	ret->file_bytes = atomic_load(&writer->apply.room.whole);
	(void)pthread_mutex_lock(&writer->lock);
	ret->queued = writer->queue.count;
	ret->commit_time = writer->commit_time;
	(void)pthread_mutex_unlock(&writer->lock);
}

void writer_hurry(struct writer *writer, int64_t ms)
{
	int64_t none = 0;

	(void)atomic_compare_exchange_strong(&writer->give_up_at_ms, &none, clock_mono_ms() + ms);
}

static void tell_to_stop(struct writer *writer)
{
	writer_hurry(writer, LAST_WAIT_MS);
	(void)pthread_mutex_lock(&writer->lock);
	writer->stopping = true;
	rouse(writer);
	(void)pthread_mutex_unlock(&writer->lock);
}

void writer_stop(struct writer *writer, loop_fn done, void *arg)
{
	thread_on_end(&writer->thread, done, arg);
	tell_to_stop(writer);
}

void writer_destroy(struct writer *writer)
{
	if (writer == NULL) {
		return;
	}
	if (writer->started) {
		tell_to_stop(writer);
		thread_join(&writer->thread);
	}
	loop_cancel(writer->loop, &writer->alarm);
	loop_cancel(writer->loop, &writer->good_news);
	loop_cancel(writer->loop, &writer->change);
	apply_finish(&writer->apply);
	free(writer->url);
	if (writer->wakes >= 0) {
		(void)close(writer->wakes);
	}
	(void)pthread_cond_destroy(&writer->wake);
	(void)pthread_mutex_destroy(&writer->lock);
	free(writer);
}
