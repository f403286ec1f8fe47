/* Runs the stages of a plan, and keeps the best config that they have found. */
#include "strategies/plan/plan.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/plan/stages.h"

static bool is_over(const struct plan *plan)
{
	return plan->content || plan->round == plan->rounds;
}

const struct plan_step *plan_step(const struct plan *plan)
{
	return &plan->steps[plan->step];
}

void plan_reset(const struct plan *plan, uint16_t *choices)
{
	const struct space *space = plan->space;

	memset(choices, 0, space->dimension_count * sizeof(*choices));
	choices[space_size_dimension(space)] = (uint16_t)plan->round;
	if (space_has_alphas(space)) {
		choices[space_alpha_dimension(space)] = plan->alpha;
	}
}

void plan_forget_best(struct plan *plan)
{
	plan->best = NULL;
	plan->best_merit = -INFINITY;
	plan->met = plan->last_met = false;
	plan_reset(plan, plan->base);
}

static void start_round(struct plan *plan)
{
	plan->step = 0;
	plan->scored = false;
	plan_forget_best(plan);
}

static void enter_step(struct plan *plan)
{
	const struct plan_step *step = plan_step(plan);

	plan->asked = plan->length = 0;
	plan->holding = plan->holding && step->stage->insists;
	if (!step->once || plan->round == 0) {
		step->stage->enter(plan);
	}
}

static void advance(struct plan *plan)
{
	plan->step++;
	if (plan_step(plan)->stage == NULL) {
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
	for (size_t i = 0; plan_step(plan)->stage->told != NULL && i < plan->flight_count; i++) {
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

/* Whether the alphas are to be tried before anything that the lists have. */
static bool lacks_alphas(const struct problem *problem, const struct plan_step *const *lists)
{
	for (; *lists != NULL; lists++) {
		for (const struct plan_step *step = *lists; step->stage != NULL; step++) {
			if (step->stage == &stage_alpha) {
				return false;
			}
		}
	}
	return space_alphas(problem->space) > 1;
}

static bool is_needless(const struct space *space, const struct stage *stage)
{
	return space->uniform_count == 0 &&
	       (stage == &stage_uniform_first || stage == &stage_uniform ||
		stage == &stage_uniform_base);
}

static struct plan_step *join(const struct plan_step *const *lists, const struct space *space,
			      bool alphas)
{
	struct plan_step *steps = NULL;
	size_t count = 0;

	if (alphas) {
		steps = mem_new(1, sizeof(*steps));
		steps[count++] = (struct plan_step){.stage = &stage_alpha, .once = true};
	}

	for (; *lists != NULL; lists++) {
		for (const struct plan_step *step = *lists; step->stage != NULL; step++) {
			if (is_needless(space, step->stage)) {
				continue;
			}
			steps = mem_grow(steps, count + 1, sizeof(*steps));
			steps[count++] = *step;
		}
	}
	steps = mem_grow(steps, count + 1, sizeof(*steps));
	steps[count] = (struct plan_step){.stage = NULL};
	return steps;
}

void plan_init(struct plan *plan, const struct problem *problem,
	       const struct plan_step *const *lists)
{
	const struct space *space = problem->space;
	size_t room = space->op_count + space->capability.block_count;

	plan->space = space;
	plan->partial = problem->partial;
	plan->wants_gain = problem->wants_gain;
	plan->steps = join(lists, space, !plan->lowered && lacks_alphas(problem, lists));
	plan->rounds = space_sizes(space);
	plan->base = mem_new(space->dimension_count, sizeof(*plan->base));
	plan->current = mem_new(space->dimension_count, sizeof(*plan->current));
	plan->scores = mem_new(space->op_count, sizeof(*plan->scores));
	plan->ranking = mem_new(room, sizeof(*plan->ranking));
	combos_init(&plan->combos, space);
}

void plan_start(struct plan *plan)
{
	start_round(plan);
	enter_step(plan);
	settle(plan);
}

size_t plan_state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct plan);
}

size_t plan_tried_alone(const struct plan *plan)
{
	return plan->partial ? 0 : 1;
}

static void take_off(struct plan *plan, const struct event *event)
{
	plan->flights = mem_grow(plan->flights, plan->flight_count + 1, sizeof(*plan->flights));
	plan->holding = plan->holding || plan_step(plan)->stage->insists;
	plan->flights[plan->flight_count++] =
		(struct plan_flight){event->trial, plan->round, plan->step, plan->asked++};
}

static void keep_best(struct plan *plan, const struct event *event)
{
	if (event->kind == QUESTION_EVALUATE && event->trial > plan->last_trial) {
		plan->last_trial = event->trial;
		plan->last_met = event->type == EVENT_TOLD && event->feasible;
	}
	if (event->type != EVENT_TOLD || event->kind != QUESTION_EVALUATE || event->partial) {
		return;
	}
	plan->met = plan->met || event->feasible;
	if (plan->best == NULL || event->merit > plan->best_merit ||
	    (event->merit == plan->best_merit &&
	     (event->trial < plan->best_trial) != plan->latest)) {
		plan->best = event->config;
		plan->best_merit = event->merit;
		plan->best_trial = event->trial;
	}
}

static void land(struct plan *plan, const struct event *event)
{
	const struct stage *stage = plan_step(plan)->stage;
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
		return plan->content ? STEP_CONTENT : STEP_DONE;
	}
	if (plan->asked >= plan->length) {
		return STEP_WAIT;
	}
	stage = plan_step(plan)->stage;
	out->stage = stage->name;
	out->insists = stage->insists;
	out->ranks = stage->ranks;
	out->whole = stage->ranks;
	stage->ask(plan, plan->asked, out);
	return STEP_ASK;
}

void plan_finish(void *state)
{
	struct plan *plan = state;

	combos_finish(&plan->combos);
	free(plan->flights);
	plan_forget_records(plan);
	free(plan->records);
	free(plan->steps);
	free(plan->base);
	free(plan->current);
	free(plan->scores);
	free(plan->ranking);
	free(plan->bisection.failed);
}

bool plan_holds(const void *state)
{
	const struct plan *plan = state;

	return !is_over(plan) && plan->holding;
}

uint16_t *plan_copy(const struct plan *plan, const uint16_t *choices)
{
	size_t bytes = plan->space->dimension_count * sizeof(*choices);

	return memcpy(mem_new(1, bytes), choices, bytes);
}

void plan_evaluate(const struct plan *plan, uint16_t *choices, struct question *out)
{
	out->kind = QUESTION_EVALUATE;
	out->config = config_create(plan->space, choices);
	free(choices);
}

void plan_score(const struct plan *plan, const uint16_t *choices, const char *phase,
		struct question *out)
{
	out->kind = QUESTION_SCORE;
	out->config = config_create(plan->space, choices);
	out->method = plan_step(plan)->method;
	out->phase = phase;
	out->ops = mem_new(plan->space->op_count, sizeof(*out->ops));
	out->confidence_batches = plan->confidence_batches;
	out->loss = plan->loss;
}

void plan_best_so_far(const struct plan *plan, uint16_t *choices)
{
	if (plan->best != NULL) {
		config_expand(plan->best, plan->space, choices);
	} else {
		memcpy(choices, plan->base, plan->space->dimension_count * sizeof(*choices));
	}
}

void plan_fall_back(const struct plan *plan, uint32_t op, uint16_t *choices)
{
	const struct kind *kind = space_kind(plan->space, op);
	enum mode precision = plan_step(plan)->precision;

	assert(kind->per_mode[precision] > 0);
	choices[op] = kind->first[precision];
}

/* What a fallback step takes operators out of: the quantized modes, or in a plan of precisions
 * alone the lower ones. */
static bool is_lower(const struct plan *plan, enum mode mode)
{
	return plan->lowered ? mode == MODE_BF16 || mode == MODE_FP16 : mode_is_quantized(mode);
}

size_t plan_candidates(const struct plan *plan, const uint16_t *choices, uint32_t *ret)
{
	enum mode precision = plan_step(plan)->precision;
	size_t count = 0;

	for (enum mode mode = 0; mode < MODE_FP32; mode++) {
		for (size_t op = 0; is_lower(plan, mode) && op < plan->space->op_count; op++) {
			const struct kind *kind = space_kind(plan->space, op);

			if (kind->choices[choices[op]].mode == mode &&
			    kind->per_mode[precision] > 0) {
				ret[count++] = (uint32_t)op;
			}
		}
	}
	return count;
}

static int best_first(const void *a, const void *b)
{
	const struct plan_ranked *x = a;
	const struct plan_ranked *y = b;

	if (x->merit != y->merit) {
		return x->merit > y->merit ? -1 : 1;
	}
	return (x->place > y->place) - (x->place < y->place);
}

void plan_rank(struct plan *plan)
{
	if (plan->ranking_count > 0) {
		qsort(plan->ranking, plan->ranking_count, sizeof(*plan->ranking), best_first);
	}
}

void plan_forget_records(struct plan *plan)
{
	for (size_t i = 0; i < plan->record_count; i++) {
		free(plan->records[i].ops);
	}
	plan->record_count = 0;
}
