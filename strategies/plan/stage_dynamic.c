/* The stage that makes static operators dynamic where they can be. */
#include "strategies/plan/stages.h"

static bool has_both(const struct kind *kind)
{
	return kind->per_mode[MODE_STATIC] > 0 && kind->per_mode[MODE_DYNAMIC] > 0;
}

static void enter(struct plan *plan)
{
	plan_best_so_far(plan, plan->current);
	for (size_t op = 0; op < plan->space->op_count; op++) {
		if (has_both(space_kind(plan->space, op))) {
			plan->length = 1;
		}
	}
}

static bool offers(const struct kind *kind, enum item item, uint16_t atom)
{
	for (uint16_t i = 0; i < kind->per_mode[MODE_DYNAMIC]; i++) {
		const struct choice *choice = &kind->choices[kind->first[MODE_DYNAMIC] + i];

		if (choice->branch == 0 && choice->options[item] == atom) {
			return true;
		}
	}
	return false;
}

/* Options are kept where the dynamic mode has them too. */
static uint16_t made_dynamic(const struct kind *kind, uint16_t choice)
{
	const struct choice *from = &kind->choices[choice];
	struct choice like = kind->choices[kind->first[MODE_DYNAMIC]];
	int found;

	for (enum item item = 0; item < ITEM_COUNT; item++) {
		if (item_is_tuned(MODE_DYNAMIC, item) && from->options[item] != 0 &&
		    offers(kind, item, from->options[item])) {
			like.options[item] = from->options[item];
		}
	}
	found = kind_find(kind, &like);
	return found >= 0 ? (uint16_t)found : kind->first[MODE_DYNAMIC];
}

/* What is uniform in both modes is kept, too. */
static void keep_uniform(const struct space *space, uint16_t *choices)
{
	for (size_t i = space->extra_count - space->uniform_count; i < space->extra_count; i++) {
		const struct extra *from = &space->extras[i], *to;
		size_t dimension;

		to = from->mode == MODE_STATIC
			     ? space_uniform(space, MODE_DYNAMIC, from->item, &dimension)
			     : NULL;
		if (to != NULL) {
			uint16_t value = extra_find(to, from->atoms[choices[space->op_count + i]]);

			choices[dimension] = value < to->count ? value : choices[dimension];
		}
	}
}

static void ask(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->current);

	(void)index;
	keep_uniform(plan->space, choices);
	for (size_t op = 0; op < plan->space->op_count; op++) {
		const struct kind *kind = space_kind(plan->space, op);

		if (has_both(kind)) {
			choices[op] = made_dynamic(kind, choices[op]);
		}
	}
	plan_evaluate(plan, choices, out);
}

const struct stage stage_dynamic = {
	.name = "dynamic",
	.barrier = true,
	.enter = enter,
	.ask = ask,
};
