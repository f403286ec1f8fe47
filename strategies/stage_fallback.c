#include "strategies/stages.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

/* Static operators in the capability's order, then dynamic ones, and all that backwards; or the
 * most sensitive first. */
static void list_ops(struct plan *plan)
{
	uint32_t *ops = mem_new(plan->space->op_count, sizeof(*ops));
	size_t count = plan_candidates(plan, plan->base, ops);

	for (size_t i = 0; i < count; i++) {
		uint32_t op = ops[plan->scored ? i : count - 1 - i];

		plan->ranking[i] = (struct plan_ranked){
			.op = op,
			.place = (uint32_t)i,
			.merit = plan->scored ? plan->scores[op] : 0,
		};
	}
	plan->ranking_count = count;
	plan_rank(plan);
	free(ops);
}

static void enter_alone(struct plan *plan)
{
	list_ops(plan);
	for (size_t i = 0; i < plan->ranking_count; i++) {
		plan->ranking[i].place = (uint32_t)i;
		plan->ranking[i].merit = -INFINITY;
	}
	plan->length = plan->ranking_count;
}

static void ask_alone(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->base);

	plan_fall_back(plan, plan->ranking[index].op, choices);
	plan_evaluate(plan, choices, out);
}

static void told_alone(struct plan *plan, uint64_t index, const struct event *event)
{
	if (event->type == EVENT_TOLD) {
		plan->ranking[index].merit = event->merit;
	}
}

static void ask_first(const struct plan *plan, uint64_t count, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->base);

	for (uint64_t i = 0; i < count; i++) {
		plan_fall_back(plan, plan->ranking[i].op, choices);
	}
	plan_evaluate(plan, choices, out);
}

/* One operator alone was tried by the stage before. */
static void enter_accumulated(struct plan *plan)
{
	plan_rank(plan);
	plan->length = plan->ranking_count > 1 ? plan->ranking_count - 1 : 0;
}

static void ask_accumulated(const struct plan *plan, uint64_t index, struct question *out)
{
	ask_first(plan, index + 2, out);
}

static void enter_sensitivity(struct plan *plan)
{
	list_ops(plan);
	plan->length = plan->ranking_count;
}

static void ask_sensitivity(const struct plan *plan, uint64_t index, struct question *out)
{
	ask_first(plan, index + 1, out);
}

const struct stage stage_instance_fallback = {
	.name = "instance_fallback",
	.enter = enter_alone,
	.ask = ask_alone,
	.told = told_alone,
};

const struct stage stage_accumulated_fallback = {
	.name = "accumulated_fallback",
	.enter = enter_accumulated,
	.ask = ask_accumulated,
};

const struct stage stage_sensitivity_fallback = {
	.name = "accumulated_fallback",
	.enter = enter_sensitivity,
	.ask = ask_sensitivity,
};
