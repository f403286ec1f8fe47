/* The stage that tries INC's list of settings for weights alone. */
#include "strategies/plan/stages.h"

#include <string.h>
#include <strings.h>

/* INC's list, in its order (docs/inc.md, "Weight-only algorithms"). Bits stay as they are. */
static const struct {
	const char *algorithm, *group_size;
	bool without_last;
} settings[] = {
	{"RTN", "32", false},   {"GPTQ", "32", false}, {"GPTQ", "32", true},
	{"GPTQ", "128", false}, {"AWQ", "32", false},
};

static void enter(struct plan *plan)
{
	plan_best_so_far(plan, plan->current);
	plan->length = plan->space->tunes_algorithms ? sizeof(settings) / sizeof(settings[0]) : 0;
}

/* The choice that is nearest to the operator's with the item changed; itself when nothing has it. What
 * is uniform changes for all. */
static void set_option(const struct space *space, size_t op, enum item item, const char *text,
		       uint16_t *choices)
{
	const struct kind *kind = space_kind(space, op);
	struct choice like = kind->choices[choices[op]];
	uint16_t atom = atoms_find(&space->capability.atoms, text);
	size_t dimension;
	int found;

	if (atom != 0 && like.options[item] == OPTION_UNIFORM) {
		const struct extra *extra = space_uniform(space, like.mode, item, &dimension);
		uint16_t value = extra_find(extra, atom);

		choices[dimension] = value < extra->count ? value : choices[dimension];
	} else if (atom != 0) {
		like.options[item] = atom;
		found = kind_find(kind, &like);
		choices[op] = found >= 0 ? (uint16_t)found : choices[op];
	}
}

static bool is_matmul(const struct space *space, size_t op)
{
	const char *type = space->capability.types[space->ops[op].type];

	return strncasecmp(type, "matmul", 6) == 0 || strncasecmp(type, "linear", 6) == 0;
}

static void leave_out_last(const struct plan *plan, uint16_t *choices)
{
	for (size_t op = plan->space->op_count; op-- > 0;) {
		const struct kind *kind = space_kind(plan->space, op);

		if (is_matmul(plan->space, op) &&
		    mode_is_quantized(kind->choices[choices[op]].mode) &&
		    kind->per_mode[MODE_FP32] > 0) {
			plan_fall_back(plan, (uint32_t)op, choices);
			return;
		}
	}
}

static void ask(const struct plan *plan, uint64_t index, struct question *out)
{
	const struct space *space = plan->space;
	uint16_t *choices = plan_copy(plan, plan->current);

	for (size_t op = 0; op < space->op_count; op++) {
		if (space_kind(space, op)->choices[choices[op]].mode == MODE_WEIGHT_ONLY) {
			set_option(space, op, ITEM_WEIGHT_ALGORITHM, settings[index].algorithm,
				   choices);
			set_option(space, op, ITEM_WEIGHT_GROUP_SIZE, settings[index].group_size,
				   choices);
			set_option(space, op, ITEM_WEIGHT_SCHEME, "asym", choices);
		}
	}
	if (settings[index].without_last) {
		leave_out_last(plan, choices);
	}
	plan_evaluate(plan, choices, out);
}

const struct stage stage_weight_only = {
	.name = "weight_only_algorithm",
	.barrier = true,
	.enter = enter,
	.ask = ask,
};
