/* The strategy hawq_v2: operators back in fp32 by the curvature of the loss. */
#include "strategies/registry.h"
#include "strategies/plan/stages.h"

static const struct plan_step steps[] = {
	{.stage = &stage_default, .once = true},
	{.stage = &stage_uniform, .once = true},
	{.stage = &stage_uniform_base, .once = true},
	{.stage = &stage_score, .precision = MODE_FP32, .method = "hawq_v2", .once = true},
	{.stage = &stage_sensitivity_fallback, .precision = MODE_FP32, .once = true},
	{.stage = NULL},
};

static const char *const needs[] = {"score:hawq_v2", NULL};

static const struct param params[] = {
	{.name = "hawq_v2_loss",
	 .type = PARAM_TEXT,
	 .max = 1000,
	 .help = "The loss whose curvature is asked for: a name that the evaluator knows."},
	{.name = NULL},
};

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	static const struct plan_step *const lists[] = {steps, NULL};
	struct plan *plan = state;

	(void)reterr;
	plan_init(plan, problem, lists);
	plan->loss = args->texts[0];
	plan_start(plan);
	return 0;
}

const struct strategy_ops hawq_v2_strategy = {
	.abi = STRATEGY_ABI,
	.version = 2,
	.name = "hawq_v2",
	.summary = "Puts operators back into fp32 in the order of the curvature of the loss, the "
		   "most sensitive first.",
	.when = "When the evaluator can take second derivatives: at most one trial for each "
		"operator, usually far fewer.",
	.params = params,
	.needs = needs,
	.traits = STRATEGY_BASELINE | STRATEGY_ONE_SIZE,
	.state_size = plan_state_size,
	.init = init,
	.apply = plan_apply,
	.next = plan_next,
	.finish = plan_finish,
	.holds = plan_holds,
};
