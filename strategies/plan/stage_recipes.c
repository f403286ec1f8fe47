/* Stages that turn recipes off, all of them or each by itself. */
#include "strategies/plan/stages.h"

static void turn_off(const struct plan *plan, const struct op_list *recipe, uint16_t *choices)
{
	for (size_t i = 0; i < recipe->count; i++) {
		if (space_kind(plan->space, recipe->ops[i])->per_mode[MODE_FP32] > 0) {
			plan_fall_back(plan, recipe->ops[i], choices);
		}
	}
}

static void enter_all(struct plan *plan)
{
	plan_best_so_far(plan, plan->current);
	plan->length = plan->space->capability.recipe_count > 0 ? 1 : 0;
}

static void ask_all(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->current);

	(void)index;
	for (size_t i = 0; i < plan->space->capability.recipe_count; i++) {
		turn_off(plan, &plan->space->capability.recipes[i], choices);
	}
	plan_evaluate(plan, choices, out);
}

static void enter_each(struct plan *plan)
{
	plan_best_so_far(plan, plan->current);
	plan->length = plan->space->capability.recipe_count;
}

static void ask_each(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->current);

	turn_off(plan, &plan->space->capability.recipes[index], choices);
	plan_evaluate(plan, choices, out);
}

const struct stage stage_all_recipes = {
	.name = "all_recipes",
	.barrier = true,
	.enter = enter_all,
	.ask = ask_all,
};

const struct stage stage_recipe = {
	.name = "recipe",
	.barrier = true,
	.enter = enter_each,
	.ask = ask_each,
};
