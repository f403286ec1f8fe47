/* Stages that try the default config and the combos of the op-type-wise product. */
#include "strategies/plan/stages.h"

static void enter(struct plan *plan)
{
	plan->length = 1;
}

static void ask_initial(const struct plan *plan, uint64_t index, struct question *out)
{
	(void)index;
	plan_evaluate(plan, plan_copy(plan, plan->base), out);
}

static void ask_combo(const struct plan *plan, uint64_t number, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->base);

	combos_choices(&plan->combos, number, choices);
	plan_evaluate(plan, choices, out);
}

static size_t quantized_ops(const struct space *space)
{
	size_t count = 0;

	for (size_t op = 0; op < space->op_count; op++) {
		count += mode_is_quantized(space_kind(space, op)->choices[0].mode);
	}
	return count;
}

static void enter_others(struct plan *plan)
{
	const struct plan_step *step = plan_step(plan);
	uint64_t count = plan->combos.count;
	size_t ops = quantized_ops(plan->space);

	if (step->limit > 0 && count > step->limit) {
		count = step->limit;
	}
	if (step->limit_to_ops && count > ops) {
		count = ops > 0 ? ops : 1;
	}
	plan->length = count - 1;
}

static void ask_other(const struct plan *plan, uint64_t index, struct question *out)
{
	ask_combo(plan, index + 1, out);
}

const struct stage stage_initial = {.name = "default", .enter = enter, .ask = ask_initial};
const struct stage stage_default = {.name = "default", .enter = enter, .ask = ask_combo};
const struct stage stage_op_type_wise = {
	.name = "op_type_wise",
	.enter = enter_others,
	.ask = ask_other,
};
