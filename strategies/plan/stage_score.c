#include "strategies/plan/stages.h"

#include <stdlib.h>

#include "base/mem.h"

static void enter(struct plan *plan)
{
	uint32_t *ops = mem_new(plan->space->op_count, sizeof(*ops));

	plan->scored = false;
	plan->length = plan_candidates(plan, plan->base, ops) > 0 ? 1 : 0;
	free(ops);
}

static void ask(const struct plan *plan, uint64_t index, struct question *out)
{
	(void)index;
	plan_score(plan, plan->base, NULL, out);
	out->op_count = plan_candidates(plan, plan->base, out->ops);
}

/* Without an answer the fallback that follows keeps the order of the capability. */
static void told(struct plan *plan, uint64_t index, const struct event *event)
{
	uint32_t *ops = mem_new(plan->space->op_count, sizeof(*ops));
	size_t count = plan_candidates(plan, plan->base, ops);

	(void)index;
	plan->scored = event->type == EVENT_TOLD;
	for (size_t i = 0; plan->scored && i < count; i++) {
		plan->scores[ops[i]] = event->scores[i];
	}
	free(ops);
}

const struct stage stage_score = {
	.name = "score",
	.enter = enter,
	.ask = ask,
	.told = told,
};
