#include "strategies/stages.h"

static void enter(struct plan *plan)
{
	plan->length = plan->combos.count - 1;
}

static void ask(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_base_copy(plan);

	combos_choices(&plan->combos, index + 1, choices);
	plan_evaluate(plan, choices, out);
}

const struct stage stage_op_type_wise = {.name = "op_type_wise", .enter = enter, .ask = ask};
