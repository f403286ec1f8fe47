/* Keeps the jobs that are still to be read from the disk. */
#include "tuner/unread.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

void unread_init(struct tuner *tuner)
{
	map_init(&tuner->unread);
	list_init(&tuner->to_read);
}

void unread_finish(struct tuner *tuner)
{
	for (size_t i = 0; i < tuner->unread.capacity; i++) {
		if (tuner->unread.slots[i].key != NULL) {
			free((struct unread *)tuner->unread.slots[i].value); /* NOLINT */
		}
	}
	map_finish(&tuner->unread);
}

struct unread *unread_add(struct tuner *tuner, const char *job, const char *owner, int64_t bytes)
{
	struct unread *unread = mem_new(1, sizeof(*unread));

	unread->tuner = tuner;
	unread->bytes = bytes;
	(void)snprintf(unread->job, sizeof(unread->job), "%s", job);
	(void)snprintf(unread->owner, sizeof(unread->owner), "%s", owner);
	list_init(&unread->watches);
	list_append(&tuner->to_read, &unread->node);
	map_set(&tuner->unread, job, (intptr_t)unread);
	quota_open(&tuner->quota, owner, bytes);
	return unread;
}

struct unread *unread_find(const struct tuner *tuner, const char *job)
{
	return (struct unread *)map_get(&tuner->unread, job, 0); /* NOLINT */
}

void unread_hurry(struct unread *unread)
{
	if (!list_empty(&unread->node)) {
		list_remove(&unread->node);
		list_append(unread->tuner->to_read.next, &unread->node); /* before the first one */
	}
}

void unread_drop(struct unread *unread)
{
	list_remove(&unread->node);
	map_remove(&unread->tuner->unread, unread->job);
	free(unread);
}

int unread_refuse(struct err *reterr)
{
	return err_set(reterr, ERR_OVERLOADED,
		       "the job is being read from the disk: try again in a second");
}
