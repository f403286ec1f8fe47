/* Stages that get scores of operators, from the evaluator or from the capability. */
#include "strategies/plan/stages.h"

#include <math.h>
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

/* What is not known is expected to suffer as the others do on average. */
static void enter_known(struct plan *plan)
{
	const struct space *space = plan->space;
	size_t known = 0;
	double sum = 0;

	for (size_t i = 0; i < space->op_count; i++) {
		struct choice choice = space_resolve(space, i, plan->base[i], plan->base);

		plan->scores[i] = space_fact(space, FACT_SCORE, i, &choice);
		known += !isnan(plan->scores[i]);
		sum += !isnan(plan->scores[i]) ? plan->scores[i] : 0;
	}
	for (size_t i = 0; i < space->op_count; i++) {
		if (isnan(plan->scores[i])) {
			plan->scores[i] = known > 0 ? sum / (double)known : 0;
		}
	}
	plan->scored = known > 0;
}

const struct stage stage_known_scores = {
	.name = "score",
	.enter = enter_known,
};
