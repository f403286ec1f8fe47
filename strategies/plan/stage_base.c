/* Stages that ask nothing: they set, forget or end with the best so far. */
#include "strategies/plan/stages.h"

/* When everything failed the default stays the base. */
static void take_best(struct plan *plan)
{
	plan_best_so_far(plan, plan->base);
}

static void end_if_met(struct plan *plan)
{
	plan->content = plan->met && !plan->wants_gain;
}

const struct stage stage_base = {.name = "base", .barrier = true, .enter = take_best};
const struct stage stage_restart = {.name = "restart", .barrier = true, .enter = plan_forget_best};
const struct stage stage_gate = {.name = "gate", .barrier = true, .enter = end_if_met};
