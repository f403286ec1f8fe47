#include "strategies/stages.h"

#include <math.h>

static void add_mode(struct plan *plan, enum mode mode, enum mode precision)
{
	for (size_t op = plan->space->op_count; op-- > 0;) {
		const struct kind *kind = space_kind(plan->space, op);

		if (kind->choices[plan->base[op]].mode == mode && kind->per_mode[precision] > 0) {
			plan->ranking[plan->ranking_count] = (struct plan_ranked){
				.op = (uint32_t)op,
				.place = (uint32_t)plan->ranking_count,
				.merit = -INFINITY,
			};
			plan->ranking_count++;
		}
	}
}

/* Static operators in the capability's order, then dynamic ones, and all that backwards. */
static void enter(struct plan *plan)
{
	enum mode precision = plan->steps[plan->step].precision;

	plan->ranking_count = 0;
	for (enum mode mode = MODE_BF16; mode-- > MODE_STATIC;) {
		add_mode(plan, mode, precision);
	}
	plan->length = plan->ranking_count;
}

static void ask(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_base_copy(plan);

	plan_fall_back(plan, plan->ranking[index].op, choices);
	plan_evaluate(plan, choices, out);
}

static void told(struct plan *plan, uint64_t index, const struct event *event)
{
	if (event->type == EVENT_TOLD) {
		plan->ranking[index].merit = event->merit;
	}
}

const struct stage stage_instance_fallback = {
	.name = "instance_fallback",
	.enter = enter,
	.ask = ask,
	.told = told,
};
