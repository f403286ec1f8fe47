/*
 * Retention: deletes by itself what is older, or more, than somebody wants to keep, and many jobs at a
 * time for who asks for it; never one that somebody reads.
 *
 * One job is one transaction, so that others have their turn in between and a kill leaves nothing half
 * deleted. Everything here is on the loop thread.
 */
#ifndef NARROWD_STORE_RETAIN_H
#define NARROWD_STORE_RETAIN_H

#include "base/map.h"
#include "store/reader.h"
#include "store/writer.h"

struct retain {
	struct loop *loop;
	struct reader *reader; /* borrowed, as the writer is */
	struct writer *writer;
	struct store_retention policy;
	struct list holds;
	struct map going; /* jobs whose deletion is under way */
	struct loop_timer timer;
	struct store_watch *watch;
	struct store_query_call *query;
	bool started, stopping, busy;
	bool is_due;         /* the policy is another one since the last look began */
	int64_t until_bytes; /* of the sweep that is begun, as there */
	int64_t looked_ms;   /* when the last look at the jobs began */
	int64_t pause_ms;    /* until the next one, when jobs change: by what the last one took */
	int64_t deleted;     /* jobs, since it last came to rest */
};

/* Owns nothing of what it is given. */
void retain_init(struct retain *retain, struct loop *loop, struct reader *reader,
		 struct writer *writer);
/* As the functions of the store that are named so. */
void retain_set(struct retain *retain, const struct store_retention *policy);
bool retain_hold(struct retain *retain, struct store_hold *hold);
void retain_sweep(struct retain *retain, char *const *ids, const int64_t *last_seqs, size_t count,
		  store_swept_fn fn, void *arg);
/* No more is begun. */
void retain_stop(struct retain *retain);
void retain_finish(struct retain *retain);

#endif
