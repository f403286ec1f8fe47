#include "strategies/stages.h"

#include <stdlib.h>

static int best_first(const void *a, const void *b)
{
	const struct plan_ranked *x = a;
	const struct plan_ranked *y = b;

	if (x->merit != y->merit) {
		return x->merit > y->merit ? -1 : 1;
	}
	return (x->place > y->place) - (x->place < y->place);
}

/* One operator alone was tried by the stage before. */
static void enter(struct plan *plan)
{
	qsort(plan->ranking, plan->ranking_count, sizeof(*plan->ranking), best_first);
	plan->length = plan->ranking_count > 1 ? plan->ranking_count - 1 : 0;
}

static void ask(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_base_copy(plan);

	for (uint64_t i = 0; i < index + 2; i++) {
		plan_fall_back(plan, plan->ranking[i].op, choices);
	}
	plan_evaluate(plan, choices, out);
}

const struct stage stage_accumulated_fallback = {
	.name = "accumulated_fallback",
	.enter = enter,
	.ask = ask,
};
