/* Lets others wait for news of a job. */
#include "tuner/watch.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tuner/unread.h"

struct watch {
	struct list node;
	struct loop_task task;
	loop_fn fn;
	void *arg;
	const struct tuner_io *io;
};

static void on_watch(void *arg)
{
	struct watch *watch = arg;
	loop_fn fn = watch->fn;
	void *fn_arg = watch->arg;

	list_remove(&watch->node);
	free(watch);
	fn(fn_arg);
}

static void wake(struct watch *watch)
{
	io_defer(watch->io, &watch->task, on_watch, watch);
}

void watch_wake(struct list *watches)
{
	struct list *node;

	while ((node = list_pop(watches)) != NULL) {
		wake(list_entry(node, struct watch, node));
	}
}

struct watch *tuner_watch(struct tuner *tuner, const char *job, int64_t version, loop_fn fn,
			  void *arg)
{
	struct unread *unread = unread_find(tuner, job);
	struct run *run = run_find(tuner, job);
	struct watch *watch = mem_new(1, sizeof(*watch));

	watch->fn = fn;
	watch->arg = arg;
	watch->io = tuner->io;
	list_init(&watch->node);
	list_init(&watch->task.node);
	if (unread != NULL && !tuner->stopping) {
		unread_hurry(unread);
		list_append(&unread->watches, &watch->node);
		tuner->up->read(tuner);
	} else if (unread == NULL && run != NULL && run->durable == version) {
		list_append(&run->watches, &watch->node);
	} else {
		wake(watch);
	}
	return watch;
}

void tuner_unwatch(struct watch *watch)
{
	if (watch != NULL) {
		list_remove(&watch->node);
		io_cancel(watch->io, &watch->task);
		free(watch);
	}
}
