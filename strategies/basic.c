/* The strategy basic: options type by type, then blocks and operators back in higher precision. */
#include <string.h>

#include "strategies/registry.h"
#include "strategies/plan/stages.h"

static const struct plan_step preamble[] = {
	{.stage = &stage_weight_only, .precision = MODE_FP32, .once = true},
	{.stage = &stage_alpha},
	{.stage = NULL},
};

const struct plan_step steps_basic[] = {
	{.stage = &stage_default},
	{.stage = &stage_lower_bits},
	{.stage = &stage_all_recipes, .precision = MODE_FP32, .once = true},
	{.stage = &stage_op_type_wise},
	{.stage = &stage_dynamic},
	{.stage = &stage_recipe, .precision = MODE_FP32},
	{.stage = &stage_base},
	{.stage = &stage_block_fallback, .precision = MODE_BF16},
	{.stage = &stage_block_alone, .precision = MODE_BF16},
	{.stage = &stage_block_impact, .precision = MODE_BF16},
	{.stage = &stage_instance_fallback, .precision = MODE_BF16},
	{.stage = &stage_accumulated_fallback, .precision = MODE_BF16},
	{.stage = &stage_block_fallback, .precision = MODE_FP16},
	{.stage = &stage_block_alone, .precision = MODE_FP16},
	{.stage = &stage_block_impact, .precision = MODE_FP16},
	{.stage = &stage_instance_fallback, .precision = MODE_FP16},
	{.stage = &stage_accumulated_fallback, .precision = MODE_FP16},
	{.stage = &stage_block_fallback, .precision = MODE_FP32},
	{.stage = &stage_block_alone, .precision = MODE_FP32},
	{.stage = &stage_block_impact, .precision = MODE_FP32},
	{.stage = &stage_instance_fallback, .precision = MODE_FP32},
	{.stage = &stage_accumulated_fallback, .precision = MODE_FP32},
	{.stage = NULL},
};

static const char *const block_orders[] = {"listed", "impact", NULL};

static const struct param params[] = {
	{.name = "blocks",
	 .type = PARAM_TEXT,
	 .choices = block_orders,
	 .text_fallback = "listed",
	 .help = "How transformer blocks fall back: \"listed\" accumulates them in the order of "
		 "the "
		 "capability, \"impact\" tries each alone first and accumulates the least "
		 "harmful."},
	{.name = NULL},
};

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	static const struct plan_step *const lists[] = {preamble, steps_basic, NULL};
	struct plan *plan = state;

	(void)reterr;
	plan_init(plan, problem, lists);
	plan->blocks_by_impact = strcmp(args->texts[0], "impact") == 0;
	plan_start(plan);
	return 0;
}

const struct strategy_ops basic_strategy = {
	.abi = STRATEGY_ABI,
	.version = 1,
	.name = "basic",
	.summary = "Tries the options type by type, then puts blocks and operators back into "
		   "higher precision, alone and together.",
	.when = "The usual choice: needs nothing but evaluations and meets most criteria, "
		"though a model of many operators may take a trial or more for each of them.",
	.params = params,
	.traits = STRATEGY_BASELINE,
	.state_size = plan_state_size,
	.init = init,
	.apply = plan_apply,
	.next = plan_next,
	.finish = plan_finish,
	.holds = plan_holds,
};
