/* Stages that lower all operators to a precision, and put types of them back. */
#include "strategies/plan/stages.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static bool is_wanted(const struct plan *plan, enum mode precision)
{
	for (size_t op = 0; !plan->skipped[precision] && op < plan->space->op_count; op++) {
		if (space_kind(plan->space, op)->per_mode[precision] > 0) {
			return true;
		}
	}
	return false;
}

/* A precision that no operator has is passed over, unless nothing at all would be tried. */
static void enter_lower(struct plan *plan)
{
	const struct space *space = plan->space;
	enum mode precision = plan_step(plan)->precision;
	enum mode last = plan->skipped[MODE_FP16] ? MODE_BF16 : MODE_FP16;
	bool none = !is_wanted(plan, MODE_BF16) && !is_wanted(plan, MODE_FP16);

	plan->length = is_wanted(plan, precision) || (none && precision == last) ? 1 : 0;
	for (size_t op = 0; plan->length > 0 && op < space->op_count; op++) {
		const struct kind *kind = space_kind(space, op);
		enum mode mode = kind->per_mode[precision] > 0 ? precision : MODE_FP32;

		plan->base[op] = kind->per_mode[mode] > 0 ? kind->first[mode] : 0;
	}
}

static void ask_lower(const struct plan *plan, uint64_t index, struct question *out)
{
	(void)index;
	plan_evaluate(plan, plan_copy(plan, plan->base), out);
}

struct named_type {
	const char *name;
	uint32_t type;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct named_type *)a)->name, ((const struct named_type *)b)->name);
}

/* The types of operators that are lowered, by name. */
static void enter_types(struct plan *plan)
{
	const struct capability *capability = &plan->space->capability;
	struct named_type *types = mem_new(capability->type_count, sizeof(*types));
	bool *seen = mem_new(capability->type_count, sizeof(*seen));
	uint32_t *ops = mem_new(plan->space->op_count, sizeof(*ops));
	size_t op_count = plan_candidates(plan, plan->base, ops);
	size_t count = 0;

	for (size_t i = 0; i < op_count; i++) {
		uint32_t type = plan->space->ops[ops[i]].type;

		if (!seen[type]) {
			seen[type] = true;
			types[count++] = (struct named_type){capability->types[type], type};
		}
	}
	qsort(types, count, sizeof(*types), by_name);
	for (size_t i = 0; i < count; i++) {
		plan->ranking[i].op = types[i].type;
	}
	plan->ranking_count = plan->length = count;
	free(types);
	free(seen);
	free(ops);
}

static void ask_type(const struct plan *plan, uint64_t index, struct question *out)
{
	uint32_t *ops = mem_new(plan->space->op_count, sizeof(*ops));
	size_t count = plan_candidates(plan, plan->base, ops);
	uint16_t *choices = plan_copy(plan, plan->base);

	for (size_t i = 0; i < count; i++) {
		if (plan->space->ops[ops[i]].type == plan->ranking[index].op) {
			plan_fall_back(plan, ops[i], choices);
		}
	}
	free(ops);
	plan_evaluate(plan, choices, out);
}

const struct stage stage_lower_precision = {
	.name = "lower_precision",
	.enter = enter_lower,
	.ask = ask_lower,
};

const struct stage stage_type_fallback = {
	.name = "type_fallback",
	.enter = enter_types,
	.ask = ask_type,
};
