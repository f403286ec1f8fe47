/*
 * News: who waits for a change of what is stored. Everything here is on the loop thread.
 */
#ifndef NARROWD_STORE_NEWS_H
#define NARROWD_STORE_NEWS_H

#include "base/list.h"
#include "store/store.h"

struct news {
	struct loop *loop;
	struct list waiting[STORE_TOPICS_];
	loop_fn on_deliveries; /* or NULL */
	void *arg;
	void (*on_gone)(void *arg, const char *job); /* or NULL */
	void *on_gone_arg;
};

void news_init(struct news *news, struct loop *loop);
struct store_watch *news_watch(struct news *news, enum store_topic topic, loop_fn fn, void *arg);
/* Something of the topic has been written. */
void news_tell(struct news *news, enum store_topic topic);

#endif
