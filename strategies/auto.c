/* The strategy auto: the default first, then conservative, then basic. */
#include "strategies/registry.h"
#include "strategies/plan/stages.h"

static const struct plan_step first[] = {
	{.stage = &stage_weight_only, .precision = MODE_FP32, .once = true},
	{.stage = &stage_alpha, .once = true},
	{.stage = &stage_initial, .once = true},
	{.stage = &stage_gate},
	{.stage = &stage_restart},
	{.stage = NULL},
};

/* Each part starts from its own default and knows nothing of the configs of the one before. */
static const struct plan_step between[] = {
	{.stage = &stage_gate},
	{.stage = &stage_restart},
	{.stage = NULL},
};

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	static const struct plan_step *const lists[] = {first, steps_conservative, between,
							steps_basic, NULL};
	struct plan *plan = state;

	(void)reterr;
	(void)args;
	plan_init(plan, problem, lists);
	plan_start(plan);
	return 0;
}

const struct strategy_ops auto_strategy = {
	.abi = STRATEGY_ABI,
	.version = 1,
	.name = "auto",
	.summary = "Tries the default, then what conservative tries, then what basic tries, until "
		   "something meets the criterion.",
	.when = "When nothing is known about the model: cheap where quantization is easy, "
		"thorough where it is not. Does not look for more speed once the criterion is "
		"met.",
	.traits = STRATEGY_BASELINE,
	.state_size = plan_state_size,
	.init = init,
	.apply = plan_apply,
	.next = plan_next,
	.finish = plan_finish,
	.holds = plan_holds,
};
