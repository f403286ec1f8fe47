/* Stages that quantize one group of types after the other, and that start all in high precision. */
#include "strategies/plan/stages.h"

#include <string.h>
#include <strings.h>

/* An operator belongs to the group that its type starts with, whatever the case. */
static const char *const groups[] = {"conv", "matmul", "bmm", "linear", "add"};

enum { GROUPS = 5, ADD = 4 };

static int group_of(const struct space *space, size_t op)
{
	const char *type = space->capability.types[space->ops[op].type];

	if (!mode_is_quantized(space_kind(space, op)->choices[0].mode)) {
		return -1;
	}
	for (int g = 0; g < GROUPS; g++) {
		if (strncasecmp(type, groups[g], strlen(groups[g])) == 0) {
			return g != ADD || space->smooth_quant ? g : -1;
		}
	}
	return -1;
}

/* Which group question `index` is about: empty ones are passed over. -1 when there is none. */
static int group_asked(const struct space *space, uint64_t index)
{
	for (int g = 0; g < GROUPS; g++) {
		for (size_t op = 0; op < space->op_count; op++) {
			if (group_of(space, op) == g) {
				if (index-- == 0) {
					return g;
				}
				break;
			}
		}
	}
	return -1;
}

static void quantize(const struct plan *plan, int group, uint16_t *choices)
{
	for (size_t op = 0; op < plan->space->op_count; op++) {
		if (group_of(plan->space, op) == group) {
			choices[op] = 0;
		}
	}
}

/* Options that are uniform stay what they are in the base. */
static void keep_uniform(const struct plan *plan, uint16_t *choices)
{
	const struct space *space = plan->space;

	for (size_t d = space->dimension_count - space->uniform_count; d < space->dimension_count;
	     d++) {
		choices[d] = plan->base[d];
	}
}

/* Every operator in the first precision that it has, the lower ones before fp32. */
static void enter(struct plan *plan)
{
	plan_reset(plan, plan->current);
	keep_uniform(plan, plan->current);
	for (size_t op = 0; op < plan->space->op_count; op++) {
		const struct kind *kind = space_kind(plan->space, op);

		for (enum mode mode = MODE_FP32; mode >= MODE_BF16; mode--) {
			if (kind->per_mode[mode] > 0) {
				plan->current[op] = kind->first[mode];
			}
		}
	}
	plan->length = group_asked(plan->space, 0) >= 0 ? 1 : 0;
}

static void ask(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->current);

	quantize(plan, group_asked(plan->space, index), choices);
	plan_evaluate(plan, choices, out);
}

static void told(struct plan *plan, uint64_t index, const struct event *event)
{
	if (event->type == EVENT_TOLD && event->feasible) {
		quantize(plan, group_asked(plan->space, index), plan->current);
	}
	plan->length += group_asked(plan->space, index + 1) >= 0 ? 1 : 0;
}

static void enter_start(struct plan *plan)
{
	plan->length = plan->last_trial == 0 ? 1 : 0;
}

static void ask_start(const struct plan *plan, uint64_t index, struct question *out)
{
	(void)index;
	plan_evaluate(plan, plan_copy(plan, plan->current), out);
}

const struct stage stage_high_precision = {
	.name = "high_precision",
	.barrier = true,
	.enter = enter_start,
	.ask = ask_start,
};

const struct stage stage_conservative = {
	.name = "conservative",
	.barrier = true,
	.insists = true,
	.enter = enter,
	.ask = ask,
	.told = told,
};
