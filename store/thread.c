/* Starts a thread, and tells the loop that it has ended. */
#include "store/thread.h"

#include <signal.h>
#include <string.h>
#include <time.h>

static void *run(void *arg)
{
	struct thread *thread = arg;

	thread->work(thread);
	if (thread->ended != NULL) {
		loop_post(thread->loop, &thread->task, thread->ended, thread->ended_arg);
	}
	return NULL;
}

int thread_start(struct thread *thread, const char *name, struct loop *loop,
		 void (*work)(struct thread *thread), void *arg, struct err *reterr)
{
	sigset_t all;
	sigset_t old;
	int failure;

	*thread = (struct thread){.loop = loop, .work = work, .arg = arg};
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	failure = pthread_create(&thread->id, NULL, run, thread);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (failure != 0) {
		return err_set(reterr, ERR_NO_MEMORY, "cannot start thread %s: %s", name,
			       strerror(failure));
	}
	(void)pthread_setname_np(thread->id, name);
	return 0;
}

void thread_on_end(struct thread *thread, loop_fn ended, void *arg)
{
	thread->ended_arg = arg;
	thread->ended = ended;
}

void thread_init_wait(pthread_mutex_t *lock, pthread_cond_t *wake)
{
	pthread_condattr_t monotonic;

	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(lock, NULL);
	(void)pthread_cond_init(wake, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
}

void thread_join(struct thread *thread)
{
	(void)pthread_join(thread->id, NULL);
}
