/* Tells those who wait that something stored has changed. */
#include "store/news.h"

#include <stdlib.h>

#include "base/mem.h"

/* Tells once who waits for a change of what is stored that there was one. */
struct store_watch {
	struct list node;
	struct loop_task task;
	struct loop *loop;
	loop_fn fn;
	void *arg;
};

void news_init(struct news *news, struct loop *loop)
{
	news->loop = loop;
	for (int topic = 0; topic < STORE_TOPICS_; topic++) {
		list_init(&news->waiting[topic]);
	}
}

struct store_watch *news_watch(struct news *news, enum store_topic topic, loop_fn fn, void *arg)
{
	struct store_watch *watch = mem_new(1, sizeof(*watch));

	watch->loop = news->loop;
	watch->fn = fn;
	watch->arg = arg;
	list_init(&watch->task.node);
	list_append(&news->waiting[topic], &watch->node);
	return watch;
}

void store_unwatch(struct store_watch *watch)
{
	if (watch != NULL) {
		list_remove(&watch->node);
		loop_cancel(watch->loop, &watch->task);
		free(watch);
	}
}

static void on_news(void *arg)
{
	struct store_watch *watch = arg;
	loop_fn fn = watch->fn;
	void *fn_arg = watch->arg;

	free(watch);
	fn(fn_arg);
}

void news_tell(struct news *news, enum store_topic topic)
{
	struct list *node;

	while ((node = list_pop(&news->waiting[topic])) != NULL) {
		struct store_watch *watch = list_entry(node, struct store_watch, node);

		list_init(&watch->node);
		loop_defer(news->loop, &watch->task, on_news, watch);
	}
}
