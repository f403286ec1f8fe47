#include "strategies/plan.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool is_over(const struct plan *plan)
{
	return plan->round == plan->rounds;
}

static void start_round(struct plan *plan)
{
	plan->step = 0;
	plan->best = NULL;
	plan->best_merit = -INFINITY;
	memset(plan->base, 0, plan->space->dimension_count * sizeof(*plan->base));
	plan->base[space_size_dimension(plan->space)] = (uint16_t)plan->round;
}

static void enter_step(struct plan *plan)
{
	plan->asked = plan->length = 0;
	plan->steps[plan->step].stage->enter(plan);
}

static void advance(struct plan *plan)
{
	plan->step++;
	if (plan->steps[plan->step].stage == NULL) {
		plan->round++;
		if (is_over(plan)) {
			return;
		}
		start_round(plan);
	}
	enter_step(plan);
}

static bool is_of_step(const struct plan *plan, const struct plan_flight *flight)
{
	return flight->round == plan->round && flight->step == plan->step;
}

static bool step_is_over(const struct plan *plan)
{
	if (plan->asked < plan->length) {
		return false;
	}
	for (size_t i = 0; plan->steps[plan->step].stage->told != NULL && i < plan->flight_count;
	     i++) {
		if (is_of_step(plan, &plan->flights[i])) {
			return false;
		}
	}
	return true;
}

static bool next_is_barred(const struct plan *plan)
{
	const struct plan_step *next = &plan->steps[plan->step + 1];

	if (next->stage == NULL) {
		next = plan->steps;
	}
	return next->stage->barrier && plan->flight_count > 0;
}

static void settle(struct plan *plan)
{
	while (!is_over(plan) && step_is_over(plan) && !next_is_barred(plan)) {
		advance(plan);
	}
}

void plan_init(struct plan *plan, const struct problem *problem, const struct plan_step *steps)
{
	const struct space *space = problem->space;

	plan->space = space;
	plan->steps = steps;
	plan->rounds = space_sizes(space);
	plan->base = mem_new(space->dimension_count, sizeof(*plan->base));
	plan->ranking = mem_new(space->op_count, sizeof(*plan->ranking));
	combos_init(&plan->combos, space);
	start_round(plan);
	enter_step(plan);
	settle(plan);
}

size_t plan_state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct plan);
}

static void take_off(struct plan *plan, const struct event *event)
{
	plan->flights = mem_grow(plan->flights, plan->flight_count + 1, sizeof(*plan->flights));
	plan->flights[plan->flight_count++] =
		(struct plan_flight){event->trial, plan->round, plan->step, plan->asked++};
}

static void keep_best(struct plan *plan, const struct event *event)
{
	if (event->type != EVENT_TOLD || event->kind != QUESTION_EVALUATE) {
		return;
	}
	if (plan->best == NULL || event->merit > plan->best_merit ||
	    (event->merit == plan->best_merit && event->trial < plan->best_trial)) {
		plan->best = event->config;
		plan->best_merit = event->merit;
		plan->best_trial = event->trial;
	}
}

static void land(struct plan *plan, const struct event *event)
{
	const struct stage *stage = plan->steps[plan->step].stage;
	struct plan_flight flight;
	size_t i = 0;

	while (i < plan->flight_count && plan->flights[i].trial != event->trial) {
		i++;
	}
	if (i == plan->flight_count) {
		return;
	}
	flight = plan->flights[i];
	plan->flights[i] = plan->flights[--plan->flight_count];
	if (flight.round == plan->round) {
		keep_best(plan, event);
	}
	/* A log written by another version may hold more questions than the stage has now. */
	if (is_of_step(plan, &flight) && stage->told != NULL && flight.index < plan->length) {
		stage->told(plan, flight.index, event);
	}
}

void plan_apply(void *state, const struct event *event)
{
	struct plan *plan = state;

	if (event->kind != QUESTION_EVALUATE && event->kind != QUESTION_SCORE) {
		return;
	}
	if (event->type == EVENT_ASKED) {
		take_off(plan, event);
	} else {
		land(plan, event);
	}
	settle(plan);
}

enum step plan_next(const void *state, struct rng rng, struct question *out)
{
	const struct plan *plan = state;
	const struct stage *stage;

	(void)rng;
	if (is_over(plan)) {
		return STEP_DONE;
	}
	if (plan->asked >= plan->length) {
		return STEP_WAIT;
	}
	stage = plan->steps[plan->step].stage;
	out->stage = stage->name;
	stage->ask(plan, plan->asked, out);
	return STEP_ASK;
}

void plan_finish(void *state)
{
	struct plan *plan = state;

	combos_finish(&plan->combos);
	free(plan->flights);
	free(plan->base);
	free(plan->ranking);
}

uint16_t *plan_base_copy(const struct plan *plan)
{
	size_t bytes = plan->space->dimension_count * sizeof(*plan->base);

	return memcpy(mem_new(1, bytes), plan->base, bytes);
}

void plan_evaluate(const struct plan *plan, uint16_t *choices, struct question *out)
{
	out->kind = QUESTION_EVALUATE;
	out->config = config_create(plan->space, choices);
	free(choices);
}

void plan_fall_back(const struct plan *plan, uint32_t op, uint16_t *choices)
{
	const struct kind *kind = space_kind(plan->space, op);
	enum mode precision = plan->steps[plan->step].precision;

	assert(kind->per_mode[precision] > 0);
	choices[op] = kind->first[precision];
}
