/* Starts sgp when a fixed course is through, and passes everything on to it. */
#include "strategies/go_on.h"

#include <stdlib.h>

#include "base/mem.h"
#include "strategies/registry.h"
#include "strategies/sgp_state.h"

void go_on_init(struct go_on *go_on, const struct problem *problem)
{
	go_on->problem = problem->objective->rules >= 2 ? problem : NULL;
}

void go_on_finish(struct go_on *go_on)
{
	if (go_on->state != NULL) {
		sgp_strategy.finish(go_on->state);
	}
	free(go_on->state);
	free(go_on->events);
}

static void begin(struct go_on *go_on)
{
	struct args args;
	struct err err;

	args_init(&args, sgp_strategy.params);
	go_on->state = mem_new(1, sgp_strategy.state_size(go_on->problem));
	(void)sgp_strategy.init(go_on->state, go_on->problem, &args, &err); /* cannot fail */
	sgp_state_catch_up(go_on->state, go_on->events, go_on->count);
	free(go_on->events);
	go_on->events = NULL;
}

/* A space that was told goes when another is; who catches up would hear of the newest at last anyway. */
static void forget_told(struct go_on *go_on, const struct space *newest)
{
	for (size_t i = 0; i < go_on->count; i++) {
		if (event_tells_scores(&go_on->events[i])) {
			go_on->events[i].space = newest;
		}
	}
}

void go_on_apply(struct go_on *go_on, const struct event *event, bool through)
{
	if (go_on->problem == NULL) {
		return;
	}
	if (go_on->state != NULL) {
		sgp_strategy.apply(go_on->state, event);
		return;
	}
	if (event_tells_scores(event)) {
		forget_told(go_on, event->space);
	}
	go_on->events = mem_grow(go_on->events, go_on->count + 1, sizeof(*go_on->events));
	go_on->events[go_on->count++] = *event;
	if (through) {
		begin(go_on);
	}
}

enum step go_on_next(const struct go_on *go_on, enum step step, struct rng rng,
		     struct question *out)
{
	bool through = step == STEP_DONE || step == STEP_CONTENT;

	return through && go_on->state != NULL ? sgp_strategy.next(go_on->state, rng, out) : step;
}
