/* Looks names up on threads that may hang, and keeps the loop from waiting for them. */
#include "backends/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

/*
 * A lookup belongs to the loop until a thread takes it out of the queue and again once it is in
 * the list of finished ones. When it expires while a thread is at it, the thread inherits it:
 * nobody waits any more, and the thread frees it when getaddrinfo() comes back.
 */
struct lookup {
	struct list open;  /* loop only: by age, until finished or expired */
	struct list stage; /* guarded: in `queue` or `finished` */
	struct list calls; /* loop only */
	char *host;
	int64_t deadline;
	bool running; /* guarded */
	bool lost;    /* guarded: the thread owns it */
	struct resolve_answers answers;
};

struct resolve_call {
	struct list node;
	resolve_fn fn;
	void *arg;
};

struct resolve {
	struct loop *loop;
	struct loop_timer timer; /* of the oldest open lookup */
	struct list open;
	loop_fn done;
	void *done_arg;
	unsigned pending; /* what resolve_stop() waits for */

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t work;
	struct list queue;
	struct list finished;
	struct loop_task task; /* on its way to the loop when `posted` */
	bool posted;
	bool closed;
	bool destroyed;
	unsigned queued;
	unsigned idle;
	unsigned threads;
	unsigned lost;
};

static void free_lookup(struct lookup *lookup)
{
	free(lookup->host);
	free(lookup);
}

static void free_resolve(struct resolve *resolve)
{
	(void)pthread_cond_destroy(&resolve->work);
	(void)pthread_mutex_destroy(&resolve->lock);
	free(resolve);
}

static void ask_system(const char *host, struct resolve_answers *ret)
{
	static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(host, NULL, &hints, &list);

	if (rc != 0) {
		ret->rc = -(int)ERR_EVALUATOR;
		ret->message = gai_strerror(rc);
		return;
	}
	for (struct addrinfo *a = list; a != NULL && ret->count < RESOLVE_ANSWERS_MAX;
	     a = a->ai_next) {
		if (a->ai_addrlen <= sizeof(ret->addresses[0])) {
			memcpy(&ret->addresses[ret->count++], a->ai_addr, a->ai_addrlen);
		}
	}
	freeaddrinfo(list);
	if (ret->count == 0) {
		ret->rc = -(int)ERR_EVALUATOR;
		ret->message = "it has no address";
	}
}

static void on_finished(void *arg);

static void hand_over(struct resolve *resolve, struct lookup *lookup)
{
	list_append(&resolve->finished, &lookup->stage);
	if (!resolve->posted) {
		resolve->posted = true;
		loop_post(resolve->loop, &resolve->task, on_finished, resolve);
	}
}

/* Waits for the next lookup; NULL when this thread is to end. Locked. */
static struct lookup *next(struct resolve *resolve)
{
	struct lookup *lookup;

	resolve->idle++;
	while (!resolve->closed && list_empty(&resolve->queue)) {
		(void)pthread_cond_wait(&resolve->work, &resolve->lock);
	}
	resolve->idle--;
	if (resolve->closed) {
		return NULL;
	}
	lookup = list_entry(list_pop(&resolve->queue), struct lookup, stage);
	resolve->queued--;
	lookup->running = true;
	return lookup;
}

static void *work(void *arg)
{
	struct resolve *resolve = arg;
	struct lookup *lookup;
	bool surplus = false, last;

	(void)pthread_mutex_lock(&resolve->lock);
	while (!surplus && (lookup = next(resolve)) != NULL) {
		(void)pthread_mutex_unlock(&resolve->lock);
		ask_system(lookup->host, &lookup->answers);
		(void)pthread_mutex_lock(&resolve->lock);
		if (lookup->lost) {
			resolve->lost--;
			surplus = resolve->threads - resolve->lost > RESOLVE_THREADS;
			free_lookup(lookup);
		} else {
			hand_over(resolve, lookup);
		}
	}
	last = --resolve->threads == 0 && resolve->destroyed;
	(void)pthread_mutex_unlock(&resolve->lock);
	if (last) {
		free_resolve(resolve);
	}
	return NULL;
}

/* Starts a thread when work waits for one. Signals stay with the loop's thread. Locked. */
static void add_thread(struct resolve *resolve)
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;

	if (resolve->closed || resolve->queued <= resolve->idle ||
	    resolve->threads - resolve->lost >= RESOLVE_THREADS ||
	    resolve->threads >= RESOLVE_THREADS_MAX) {
		return;
	}
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attributes, work, resolve) == 0) {
		resolve->threads++;
	}
	(void)pthread_attr_destroy(&attributes);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void move_all(struct list *from, struct list *to)
{
	struct list *node;

	list_init(to);
	while ((node = list_pop(from)) != NULL) {
		list_append(to, node);
	}
}

/* A callback may start calls and cancel other ones. */
static void deliver(struct list *calls, const struct resolve_answers *answers)
{
	struct list *node;

	while ((node = list_pop(calls)) != NULL) {
		struct resolve_call *call = list_entry(node, struct resolve_call, node);

		call->fn(call->arg, answers);
		free(call);
	}
}

static void settle(void *arg)
{
	struct resolve *resolve = arg;

	if (--resolve->pending == 0) {
		resolve->done(resolve->done_arg);
	}
}

static void on_finished(void *arg)
{
	struct resolve *resolve = arg;
	struct list batch;
	struct list *node;
	bool closed;

	(void)pthread_mutex_lock(&resolve->lock);
	move_all(&resolve->finished, &batch);
	resolve->posted = false;
	closed = resolve->closed;
	(void)pthread_mutex_unlock(&resolve->lock);
	while ((node = list_pop(&batch)) != NULL) {
		struct lookup *lookup = list_entry(node, struct lookup, stage);

		list_remove(&lookup->open);
		deliver(&lookup->calls, &lookup->answers);
		free_lookup(lookup);
	}
	if (closed) {
		settle(resolve);
	}
}

/* Takes a lookup from the queue, or leaves it to the thread that is at it. Locked. */
static void give_up(struct resolve *resolve, struct lookup *lookup)
{
	if (lookup->running) {
		lookup->lost = true;
		resolve->lost++;
		add_thread(resolve);
		return;
	}
	list_remove(&lookup->stage);
	resolve->queued--;
	free_lookup(lookup);
}

/* Nobody waits for this lookup any more, unless on_finished() is about to deliver it. */
static void drop(struct resolve *resolve, struct lookup *lookup, struct list *ret_calls)
{
	list_remove(&lookup->open);
	list_init(ret_calls);
	(void)pthread_mutex_lock(&resolve->lock);
	if (!lookup->running || list_empty(&lookup->stage)) {
		move_all(&lookup->calls, ret_calls);
		give_up(resolve, lookup);
	}
	(void)pthread_mutex_unlock(&resolve->lock);
}

static void watch_oldest(struct resolve *resolve)
{
	struct lookup *lookup;
	int64_t left;

	if (list_empty(&resolve->open)) {
		loop_timer_stop(&resolve->timer);
		return;
	}
	lookup = list_entry(resolve->open.next, struct lookup, open);
	left = lookup->deadline - clock_mono_ms();
	loop_timer_start(&resolve->timer, left > 0 ? (uint64_t)left : 0);
}

static void on_timer(void *arg)
{
	static const struct resolve_answers timed_out = {
		.rc = -(int)ERR_TIMEOUT, .message = "the name server did not answer in time"};
	struct resolve *resolve = arg;
	int64_t now = clock_mono_ms();

	while (!list_empty(&resolve->open)) {
		struct lookup *oldest = list_entry(resolve->open.next, struct lookup, open);
		struct list calls;

		if (oldest->deadline > now) {
			break;
		}
		drop(resolve, oldest, &calls);
		deliver(&calls, &timed_out);
	}
	watch_oldest(resolve);
}

struct resolve *resolve_create(struct loop *loop)
{
	struct resolve *resolve = mem_new(1, sizeof(*resolve));

	resolve->loop = loop;
	list_init(&resolve->open);
	list_init(&resolve->queue);
	list_init(&resolve->finished);
	(void)pthread_mutex_init(&resolve->lock, NULL);
	(void)pthread_cond_init(&resolve->work, NULL);
	loop_timer_init(loop, &resolve->timer, on_timer, resolve);
	return resolve;
}

void resolve_stop(struct resolve *resolve, loop_fn done, void *arg)
{
	struct list calls;

	resolve->done = done;
	resolve->done_arg = arg;
	(void)pthread_mutex_lock(&resolve->lock);
	resolve->closed = true;
	(void)pthread_cond_broadcast(&resolve->work);
	(void)pthread_mutex_unlock(&resolve->lock);
	while (!list_empty(&resolve->open)) {
		drop(resolve, list_entry(resolve->open.next, struct lookup, open), &calls);
	}
	(void)pthread_mutex_lock(&resolve->lock);
	resolve->pending = 1U + resolve->posted;
	(void)pthread_mutex_unlock(&resolve->lock);
	loop_timer_close(&resolve->timer, settle);
}

void resolve_destroy(struct resolve *resolve)
{
	bool last;

	if (resolve == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&resolve->lock);
	resolve->destroyed = true;
	last = resolve->threads == 0;
	(void)pthread_mutex_unlock(&resolve->lock);
	if (last) {
		free_resolve(resolve);
	}
}

static struct lookup *enqueue(struct resolve *resolve, const char *host)
{
	struct lookup *lookup = mem_new(1, sizeof(*lookup));

	lookup->host = mem_dup(host);
	lookup->deadline = clock_mono_ms() + RESOLVE_TIMEOUT_MS;
	list_init(&lookup->calls);
	list_append(&resolve->open, &lookup->open);
	(void)pthread_mutex_lock(&resolve->lock);
	list_append(&resolve->queue, &lookup->stage);
	resolve->queued++;
	add_thread(resolve);
	(void)pthread_cond_signal(&resolve->work);
	(void)pthread_mutex_unlock(&resolve->lock);
	watch_oldest(resolve);
	return lookup;
}

static struct lookup *find(const struct resolve *resolve, const char *host)
{
	for (struct list *n = resolve->open.next; n != &resolve->open; n = n->next) {
		struct lookup *lookup = list_entry(n, struct lookup, open);

		if (strcmp(lookup->host, host) == 0) {
			return lookup;
		}
	}
	return NULL;
}

struct resolve_call *resolve_start(struct resolve *resolve, const char *host, resolve_fn fn,
				   void *arg)
{
	struct resolve_call *call = mem_new(1, sizeof(*call));
	struct lookup *lookup = find(resolve, host);

	call->fn = fn;
	call->arg = arg;
	if (lookup == NULL) {
		lookup = enqueue(resolve, host);
	}
	list_append(&lookup->calls, &call->node);
	return call;
}

void resolve_cancel(struct resolve_call *call)
{
	list_remove(&call->node);
	free(call);
}
