/* The strategy auto_mixed_precision: bf16 and fp16, and back where that loses too much. */
#include <string.h>

#include "strategies/registry.h"
#include "strategies/plan/stages.h"

static const struct plan_step lower[] = {
	{.stage = &stage_lower_precision, .precision = MODE_BF16, .once = true},
	{.stage = &stage_lower_precision, .precision = MODE_FP16, .once = true},
	{.stage = NULL},
};

static const struct plan_step by_type[] = {
	{.stage = &stage_type_fallback, .precision = MODE_FP32, .once = true},
	{.stage = NULL},
};

static const struct plan_step by_op[] = {
	{.stage = &stage_instance_fallback, .precision = MODE_FP32, .once = true},
	{.stage = &stage_accumulated_fallback, .precision = MODE_FP32, .once = true},
	{.stage = NULL},
};

static const char *const precisions[] = {"bf16", "fp16", "bf16,fp16", NULL};

static const struct param params[] = {
	{.name = "precisions",
	 .type = PARAM_TEXT,
	 .choices = precisions,
	 .text_fallback = "bf16",
	 .help = "What to lower operators to; with both, fallback goes on from the second."},
	{.name = NULL},
};

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	static const struct plan_step *const lists[][4] = {
		[LEVEL_AUTO] = {lower, by_type, by_op, NULL},
		[LEVEL_TYPES] = {lower, by_type, NULL},
		[LEVEL_OPS] = {lower, by_op, NULL},
	};
	struct plan *plan = state;

	(void)reterr;
	plan->lowered = true;
	plan_init(plan, problem, lists[problem->level]);
	plan->skipped[MODE_BF16] = strstr(args->texts[0], "bf16") == NULL;
	plan->skipped[MODE_FP16] = strstr(args->texts[0], "fp16") == NULL;
	plan_start(plan);
	return 0;
}

const struct strategy_ops auto_mixed_precision_strategy = {
	.abi = STRATEGY_ABI,
	.version = 1,
	.name = "auto_mixed_precision",
	.summary = "Lowers every operator to bf16 or fp16, then puts back types, then single "
		   "operators, then several.",
	.when = "When the hardware is fast in bf16 or fp16 and int8 loses too much, or is not "
		"there.",
	.params = params,
	.has_levels = true,
	.traits = STRATEGY_BASELINE | STRATEGY_ONE_SIZE | STRATEGY_ONE_ALPHA | STRATEGY_NO_QUANT,
	.state_size = plan_state_size,
	.init = init,
	.apply = plan_apply,
	.next = plan_next,
	.finish = plan_finish,
	.holds = plan_holds,
};
