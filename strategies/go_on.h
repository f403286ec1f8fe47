/*
 * What strategies of a fixed course do when they are through and budget is left: sgp goes on from all that
 * was measured. Jobs of rules 1 end instead.
 */
#ifndef NARROWD_STRATEGIES_GO_ON_H
#define NARROWD_STRATEGIES_GO_ON_H

#include "strategies/interface/strategy.h"

struct go_on {
	const struct problem *problem; /* borrowed; NULL: nobody goes on */
	void *state;                   /* of sgp; NULL until it goes on; owned */
	struct event *events;          /* until then: what it has to catch up with; owned */
	size_t count;
};

void go_on_init(struct go_on *go_on, const struct problem *problem);
void go_on_finish(struct go_on *go_on);
/* Of every event; `through` is whether the strategy itself is, after the event. */
void go_on_apply(struct go_on *go_on, const struct event *event, bool through);
/* After `step` of the strategy itself; what it returns as long as nobody goes on. */
enum step go_on_next(const struct go_on *go_on, enum step step, struct rng rng,
		     struct question *out);

#endif
