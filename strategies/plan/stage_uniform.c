/* Stages that try options which all operators share, and keep the best. */
#include "strategies/plan/stages.h"

/* The extra and the value that question `index` is about; false beyond the last. */
static bool find(const struct space *space, uint64_t index, size_t *ret_extra, uint16_t *ret_value)
{
	for (size_t i = space->extra_count - space->uniform_count; i < space->extra_count; i++) {
		uint64_t others = space->extras[i].count - 1U;

		if (!space_defaults_to(space, space->extras[i].mode)) {
			continue;
		}
		if (index < others) {
			*ret_extra = i;
			*ret_value = (uint16_t)(index + 1);
			return true;
		}
		index -= others;
	}
	return false;
}

static void enter(struct plan *plan)
{
	size_t extra;
	uint16_t value;

	while (find(plan->space, plan->length, &extra, &value)) {
		plan->length++;
	}
}

static void ask(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->base);
	size_t extra = 0;
	uint16_t value = 0;

	(void)find(plan->space, index, &extra, &value);
	choices[plan->space->op_count + extra] = value;
	plan_evaluate(plan, choices, out);
}

/* The default, to compare them with, where nothing has asked it. */
static void enter_first(struct plan *plan)
{
	plan->length = 1;
}

static void ask_first(const struct plan *plan, uint64_t index, struct question *out)
{
	(void)index;
	plan_evaluate(plan, plan_copy(plan, plan->base), out);
}

/* What did best so far is what follows starts from. */
static void keep(struct plan *plan)
{
	plan_best_so_far(plan, plan->base);
}

const struct stage stage_uniform_base = {.name = "uniform", .barrier = true, .enter = keep};
const struct stage stage_uniform = {.name = "uniform", .enter = enter, .ask = ask};
const struct stage stage_uniform_first = {
	.name = "uniform",
	.enter = enter_first,
	.ask = ask_first,
};
