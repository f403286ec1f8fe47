/*
 * The scheduler: places at evaluators, given out fairly.
 *
 * Each evaluator (by URL) has as many places as it takes questions at once. A job takes a place
 * before it asks its strategy and keeps it until the answer is in. Jobs that find none queue up;
 * a place that gets free goes to the head of the queue, and who wants another goes to its tail.
 * Loop thread.
 */
#ifndef NARROWD_TUNER_SCHED_H
#define NARROWD_TUNER_SCHED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/map.h"

struct sched {
	struct map by_url; /* URL -> struct places * */
	size_t waiting;
};

struct places;

/* Somebody who takes places; embedded by its owner. */
struct sched_seat {
	struct sched *sched;
	struct places *places;
	struct list waiting;
	bool reserved; /* a place was kept for it when its turn came */
	void (*turn)(void *arg);
	void *arg;
};

void sched_init(struct sched *sched);
void sched_finish(struct sched *sched);
/* `turn` is called when a place is reserved; it must then take or give it back soon. */
void sched_seat_init(struct sched *sched, struct sched_seat *seat, const char *url, size_t places,
		     void (*turn)(void *arg), void *arg);
/* Leaves the queue. Places still held must have been given back. */
void sched_seat_finish(struct sched_seat *seat);
/* True when a place was taken; otherwise the seat is in the queue. */
bool sched_take(struct sched_seat *seat);
/* Takes a place even when there is none: for questions that were out before a restart. */
void sched_force(struct sched_seat *seat);
void sched_give_back(struct sched_seat *seat);
/* Wants no place any more: leaves the queue and gives back a reserved place. */
void sched_leave(struct sched_seat *seat);

#endif
