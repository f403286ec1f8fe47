#include "tuner/sched.h"

#include <stdlib.h>

#include "base/mem.h"

struct places {
	size_t used, limit;
	struct list queue; /* of sched_seat.waiting */
};

void sched_init(struct sched *sched)
{
	map_init(&sched->by_url);
	sched->waiting = 0;
}

void sched_finish(struct sched *sched)
{
	for (size_t i = 0; i < sched->by_url.capacity; i++) {
		if (sched->by_url.slots[i].key != NULL) {
			struct places *places =
				(struct places *)sched->by_url.slots[i].value; /* NOLINT */

			free(places);
		}
	}
	map_finish(&sched->by_url);
}

void sched_seat_init(struct sched *sched, struct sched_seat *seat, const char *url, size_t places,
		     void (*turn)(void *arg), void *arg)
{
	struct places *known = (struct places *)map_get(&sched->by_url, url, 0); /* NOLINT */

	if (known == NULL) {
		known = mem_new(1, sizeof(*known));
		list_init(&known->queue);
		map_set(&sched->by_url, url, (intptr_t)known);
	}
	known->limit = places;
	*seat = (struct sched_seat){.sched = sched, .places = known, .turn = turn, .arg = arg};
	list_init(&seat->waiting);
}

void sched_seat_finish(struct sched_seat *seat)
{
	if (seat->places != NULL) {
		sched_leave(seat);
	}
}

bool sched_take(struct sched_seat *seat)
{
	struct places *places = seat->places;

	if (seat->reserved) {
		seat->reserved = false;
		return true;
	}
	if (places->used < places->limit && list_empty(&places->queue)) {
		places->used++;
		return true;
	}
	if (list_empty(&seat->waiting)) {
		list_append(&places->queue, &seat->waiting);
		seat->sched->waiting++;
	}
	return false;
}

void sched_force(struct sched_seat *seat)
{
	seat->places->used++;
}

void sched_give_back(struct sched_seat *seat)
{
	struct places *places = seat->places;
	struct list *node;

	places->used--;
	while (places->used < places->limit && (node = list_pop(&places->queue)) != NULL) {
		struct sched_seat *next = list_entry(node, struct sched_seat, waiting);

		next->sched->waiting--;
		places->used++;
		next->reserved = true;
		next->turn(next->arg);
	}
}

void sched_leave(struct sched_seat *seat)
{
	if (!list_empty(&seat->waiting)) {
		list_remove(&seat->waiting);
		seat->sched->waiting--;
	}
	if (seat->reserved) {
		seat->reserved = false;
		sched_give_back(seat);
	}
}
