#include "strategies/registry.h"
#include "strategies/plan/stages.h"

static const struct plan_step steps_default[] = {
	{.stage = &stage_default},
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

static const struct plan_step steps_unscored[] = {
	{.stage = NULL},
};

static const struct plan_step steps_bisect[] = {
	{.stage = &stage_bisect, .precision = MODE_FP32},
	{.stage = &stage_requantize, .precision = MODE_FP32},
	{.stage = NULL},
};

/* The better of the two orders that the evaluator can give. */
static const struct plan_step *scoring(const struct problem *problem)
{
	if (problem_answers(problem, "score:hawq_v2")) {
		return steps_score_hawq;
	}
	return problem_answers(problem, "score:mse") ? steps_score_mse : steps_unscored;
}

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	const struct plan_step *const lists[] = {
		steps_default,
		scoring(problem),
		steps_bisect,
		NULL,
	};
	struct plan *plan = state;

	(void)reterr;
	(void)args;
	plan_init(plan, problem, lists);
	plan_start(plan);
	return 0;
}

const struct strategy_ops bisect_strategy = {
	.abi = STRATEGY_ABI,
	.version = 2,
	.name = "bisect",
	.summary = "Puts the 1, 2, 4, ... most sensitive operators back together until that is "
		   "enough, then finds the smallest number that is.",
	.when = "When trials are dear and the evaluator can tell which operators suffer most: few "
		"trials, whatever the size of the model.",
	.state_size = plan_state_size,
	.init = init,
	.apply = plan_apply,
	.next = plan_next,
	.finish = plan_finish,
	.holds = plan_holds,
};
