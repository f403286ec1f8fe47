/* The strategy mse: like basic, with operators in the order of their tensors' errors. */
#include "strategies/registry.h"
#include "strategies/plan/stages.h"

enum { COMBOS = 5 };

static const struct plan_step steps[] = {
	{.stage = &stage_default},
	{.stage = &stage_op_type_wise, .limit = COMBOS, .limit_to_ops = true},
	{.stage = &stage_uniform},
	{.stage = &stage_dynamic},
	{.stage = &stage_base},
	{.stage = &stage_score, .precision = MODE_BF16, .method = "mse"},
	{.stage = &stage_instance_fallback, .precision = MODE_BF16},
	{.stage = &stage_accumulated_fallback, .precision = MODE_BF16},
	{.stage = &stage_score, .precision = MODE_FP32, .method = "mse"},
	{.stage = &stage_instance_fallback, .precision = MODE_FP32},
	{.stage = &stage_accumulated_fallback, .precision = MODE_FP32},
	{.stage = NULL},
};

static const char *const needs[] = {"score:mse", NULL};

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	static const struct plan_step *const lists[] = {steps, NULL};
	struct plan *plan = state;

	(void)reterr;
	(void)args;
	plan_init(plan, problem, lists);
	plan->confidence_batches = 1; /* INC looks at the first batch of calibration data */
	plan_start(plan);
	return 0;
}

const struct strategy_ops mse_strategy = {
	.abi = STRATEGY_ABI,
	.version = 2,
	.name = "mse",
	.summary = "Like basic with a few combos only, putting operators back in the order of the "
		   "error of their tensors.",
	.when = "When the evaluator can compare tensors: the operators that suffer most are "
		"tried first.",
	.needs = needs,
	.traits = STRATEGY_BASELINE,
	.state_size = plan_state_size,
	.init = init,
	.apply = plan_apply,
	.next = plan_next,
	.finish = plan_finish,
	.holds = plan_holds,
};
