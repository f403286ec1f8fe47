/* The strategy conservative: group after group quantized, as long as the criterion is met. */
#include "strategies/registry.h"
#include "strategies/plan/stages.h"

const struct plan_step steps_conservative[] = {
	{.stage = &stage_conservative, .once = true},
	{.stage = NULL},
};

static const struct plan_step options[] = {
	{.stage = &stage_uniform_first, .once = true},
	{.stage = &stage_uniform, .once = true},
	{.stage = &stage_uniform_base, .once = true},
	{.stage = NULL},
};

/* A model without operators of these types still gets an answer. */
static const struct plan_step otherwise[] = {
	{.stage = &stage_high_precision, .once = true},
	{.stage = NULL},
};

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	static const struct plan_step *const lists[] = {options, steps_conservative, otherwise,
							NULL};
	struct plan *plan = state;

	(void)reterr;
	(void)args;
	plan_init(plan, problem, lists);
	plan_start(plan);
	return 0;
}

const struct strategy_ops conservative_strategy = {
	.abi = STRATEGY_ABI,
	.version = 2,
	.name = "conservative",
	.summary = "Starts in high precision and quantizes one group of types after the other, "
		   "keeping what meets the criterion.",
	.when = "When accuracy matters more than speed and there is time for five trials at "
		"most.",
	.traits = STRATEGY_BASELINE | STRATEGY_ONE_SIZE,
	.state_size = plan_state_size,
	.init = init,
	.apply = plan_apply,
	.next = plan_next,
	.finish = plan_finish,
	.holds = plan_holds,
};
