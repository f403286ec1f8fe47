#include "strategies/stages.h"

static void enter(struct plan *plan)
{
	plan->length = 1;
}

static void ask(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_base_copy(plan);

	combos_choices(&plan->combos, index, choices);
	plan_evaluate(plan, choices, out);
}

const struct stage stage_default = {.name = "default", .enter = enter, .ask = ask};
