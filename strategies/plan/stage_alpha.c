/* The stage that tries the alphas of smooth quant. */
#include "strategies/plan/stages.h"

static void enter(struct plan *plan)
{
	const struct space *space = plan->space;
	bool worth = space->rules >= 2 ? space_alphas(space) > 1 : space_has_alphas(space);

	plan->length = worth ? space_choices(space, space_alpha_dimension(space)) : 0;
}

static void ask(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->base);

	choices[space_alpha_dimension(plan->space)] = (uint16_t)index;
	plan_evaluate(plan, choices, out);
}

static void told(struct plan *plan, uint64_t index, const struct event *event)
{
	if (plan->best != NULL && plan->best_trial == event->trial) {
		plan->alpha = (uint16_t)index;
		plan->base[space_alpha_dimension(plan->space)] = (uint16_t)index;
	}
}

const struct stage stage_alpha = {
	.name = "smooth_quant_alpha",
	.barrier = true,
	.enter = enter,
	.ask = ask,
	.told = told,
};
