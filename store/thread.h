/*
 * A thread of the store: takes no signals, and reports its end to the loop.
 */
#ifndef NARROWD_STORE_THREAD_H
#define NARROWD_STORE_THREAD_H

#include <pthread.h>

#include "base/err.h"
#include "base/loop.h"

/* Embedded by its owner; must not move while the thread runs. */
struct thread {
	pthread_t id;
	struct loop *loop;
	void (*work)(struct thread *thread);
	void *arg; /* the owner's */
	loop_fn ended;
	void *ended_arg;
	struct loop_task task;
};

/*
 * Runs work(thread) on a new thread. `name` has at most 15 bytes. ERR_NO_MEMORY when the system
 * gives no thread.
 */
int thread_start(struct thread *thread, const char *name, struct loop *loop,
		 void (*work)(struct thread *thread), void *arg, struct err *reterr);
/* Has ended(arg) called on the loop after work(); to be said before work() is told to return. */
void thread_on_end(struct thread *thread, loop_fn ended, void *arg);
/* What a thread waits on, by the monotonic clock; the owner destroys both. */
void thread_init_wait(pthread_mutex_t *lock, pthread_cond_t *wake);
/* Waits for the end of work(). */
void thread_join(struct thread *thread);

#endif
