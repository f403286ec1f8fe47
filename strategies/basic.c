#include "strategies/registry.h"
#include "strategies/stages.h"

static const struct plan_step steps[] = {
	{.stage = &stage_default},
	{.stage = &stage_op_type_wise},
	{.stage = &stage_base},
	{.stage = &stage_instance_fallback, .precision = MODE_BF16},
	{.stage = &stage_accumulated_fallback, .precision = MODE_BF16},
	{.stage = &stage_instance_fallback, .precision = MODE_FP16},
	{.stage = &stage_accumulated_fallback, .precision = MODE_FP16},
	{.stage = &stage_instance_fallback, .precision = MODE_FP32},
	{.stage = &stage_accumulated_fallback, .precision = MODE_FP32},
	{.stage = NULL},
};

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	(void)args;
	(void)reterr;
	plan_init(state, problem, steps);
	return 0;
}

const struct strategy_ops basic_strategy = {
	.abi = STRATEGY_ABI,
	.version = 1,
	.name = "basic",
	.summary =
		"Tries the options type by type, then puts operators back into higher precision, "
		"alone and together.",
	.when = "The usual choice: needs nothing but evaluations and meets most criteria, though "
		"a model of many operators may take a trial or more for each of them.",
	.state_size = plan_state_size,
	.init = init,
	.apply = plan_apply,
	.next = plan_next,
	.finish = plan_finish,
};
