/* The strategy bisect: how many of the most sensitive operators must go back, by halves. */
#include <string.h>

#include "strategies/go_on.h"
#include "strategies/registry.h"
#include "strategies/plan/stages.h"

static const struct plan_step steps_default[] = {
	{.stage = &stage_default},
	{.stage = &stage_uniform},
	{.stage = &stage_base},
	{.stage = NULL},
};

static const struct plan_step steps_score_hawq[] = {
	{.stage = &stage_score, .precision = MODE_FP32, .method = "hawq_v2"},
	{.stage = NULL},
};

static const struct plan_step steps_score_mse[] = {
	{.stage = &stage_score, .precision = MODE_FP32, .method = "mse"},
	{.stage = NULL},
};

static const struct plan_step steps_known[] = {
	{.stage = &stage_known_scores, .precision = MODE_FP32},
	{.stage = NULL},
};

static const struct plan_step steps_unscored[] = {
	{.stage = NULL},
};

static const struct plan_step steps_bisect[] = {
	{.stage = &stage_bisect, .precision = MODE_FP32},
	{.stage = &stage_requantize, .precision = MODE_FP32},
	{.stage = NULL},
};

struct bisect {
	const struct problem *problem; /* borrowed, or `rescored` */
	struct problem rescored;       /* with scores that were told */
	struct plan plan;
	struct go_on rest;
};

/* The better of the two orders that the evaluator can give, unless the capability has one; without any, the one that other
 * jobs learnt. */
static const struct plan_step *scoring(const struct problem *problem, bool told)
{
	if (told) {
		return steps_known;
	}
	if (space_knows(problem->space, FACT_SCORE) && problem->objective->rules >= 2) {
		return steps_known;
	}
	if (problem_answers(problem, "score:hawq_v2")) {
		return steps_score_hawq;
	}
	if (problem_answers(problem, "score:mse")) {
		return steps_score_mse;
	}
	return space_learnt(problem->space, FACT_SCORE) ? steps_known : steps_unscored;
}

static void begin(struct bisect *bisect)
{
	const struct plan_step *const lists[] = {
		steps_default,
		scoring(bisect->problem, bisect->problem == &bisect->rescored),
		steps_bisect,
		NULL,
	};

	plan_init(&bisect->plan, bisect->problem, lists);
	bisect->plan.halves = bisect->problem->objective->rules >= 2;
	plan_start(&bisect->plan);
}

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	struct bisect *bisect = state;

	(void)args;
	(void)reterr;
	bisect->problem = problem;
	begin(bisect);
	go_on_init(&bisect->rest, problem);
	return 0;
}

static size_t state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct bisect);
}

static void finish(void *state)
{
	struct bisect *bisect = state;

	plan_finish(&bisect->plan);
	go_on_finish(&bisect->rest);
}

static bool is_through(const struct bisect *bisect)
{
	return bisect->rest.problem != NULL && bisect->plan.round == bisect->plan.rounds;
}

/* The course begins anew: what it asks again is answered from what was measured, and costs nothing. */
static void take_report(struct bisect *bisect, const struct event *event)
{
	problem_tell(bisect->problem, event, &bisect->rescored);
	bisect->problem = &bisect->rescored;
	plan_finish(&bisect->plan);
	memset(&bisect->plan, 0, sizeof(bisect->plan));
	begin(bisect);
	go_on_apply(&bisect->rest, event, false);
}

/*
 * Who goes on would ask for scores of other operators in another order. It takes what is asked although it is known for a
 * repeat, so that of a course that began anew it hears the results alone.
 */
static void apply(void *state, const struct event *event)
{
	struct bisect *bisect = state;
	bool was_through = is_through(bisect), anew = bisect->problem == &bisect->rescored;

	if (event_tells_scores(event)) {
		take_report(bisect, event);
		return;
	}
	if (!was_through) {
		plan_apply(&bisect->plan, event);
	}
	if (was_through ||
	    (event->kind != QUESTION_SCORE && (!anew || event->type != EVENT_ASKED))) {
		go_on_apply(&bisect->rest, event, is_through(bisect));
	}
}

static enum step next(const void *state, struct rng rng, struct question *out)
{
	const struct bisect *bisect = state;

	return go_on_next(&bisect->rest, plan_next(&bisect->plan, rng, out), rng, out);
}

static bool holds(const void *state)
{
	const struct bisect *bisect = state;

	return plan_holds(&bisect->plan);
}

const struct strategy_ops bisect_strategy = {
	.abi = STRATEGY_ABI,
	.version = 6,
	.name = "bisect",
	.summary = "Puts the 1, 2, 4, ... most sensitive operators back together until that is "
		   "enough, then finds the smallest number that is; then goes on as sgp.",
	.when = "When trials are dear and the evaluator can tell which operators suffer most: few "
		"trials, whatever the size of the model.",
	.in_order = true,
	.traits = STRATEGY_SCORES,
	.state_size = state_size,
	.init = init,
	.apply = apply,
	.next = next,
	.finish = finish,
	.holds = holds,
};
