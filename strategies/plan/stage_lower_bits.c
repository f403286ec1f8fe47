/* The stage that tries four bits once the criterion was met. */
#include "strategies/plan/stages.h"

#include <string.h>

static bool is_int4(const struct space *space, uint16_t atom)
{
	const char *text = atom != 0 && atom != OPTION_UNIFORM ? space_atom(space, atom) : "";

	return strcmp(text, "int4") == 0 || strcmp(text, "uint4") == 0;
}

/* The default of the first description that has four bits, or -1. */
static int int4_choice(const struct space *space, const struct kind *kind)
{
	for (uint16_t c = 0; c < kind->count; c++) {
		const struct choice *choice = &kind->choices[c];

		if ((choice->mode == MODE_STATIC || choice->mode == MODE_DYNAMIC) &&
		    (is_int4(space, choice->options[ITEM_WEIGHT_DTYPE]) ||
		     is_int4(space, choice->options[ITEM_ACTIVATION_DTYPE]))) {
			return c;
		}
	}
	return -1;
}

/* Only after a success: a job that stops at the first one never comes here. */
static void enter(struct plan *plan)
{
	const struct space *space = plan->space;

	plan->ranking_count = 0;
	plan_best_so_far(plan, plan->current);
	for (size_t op = 0; plan->last_met && op < space->op_count; op++) {
		if (int4_choice(space, space_kind(space, op)) > 0) {
			plan->ranking[plan->ranking_count++].op = (uint32_t)op;
		}
	}
	plan->length = plan->ranking_count;
}

static void ask(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->current);
	uint32_t op = plan->ranking[index].op;

	choices[op] = (uint16_t)int4_choice(plan->space, space_kind(plan->space, op));
	plan_evaluate(plan, choices, out);
}

const struct stage stage_lower_bits = {
	.name = "lower_bits",
	.barrier = true,
	.enter = enter,
	.ask = ask,
};
