/* Stages that put transformer blocks back into higher precision, alone and together. */
#include "strategies/plan/stages.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

/* Blocks without an operator that falls back have nothing to try. */
static void list_blocks(struct plan *plan)
{
	const struct capability *capability = &plan->space->capability;
	uint32_t *ops = mem_new(plan->space->op_count, sizeof(*ops));
	bool *falls_back = mem_new(plan->space->op_count, sizeof(*falls_back));
	size_t count = plan_candidates(plan, plan->base, ops);

	for (size_t i = 0; i < count; i++) {
		falls_back[ops[i]] = true;
	}
	plan->ranking_count = 0;
	for (size_t b = 0; b < capability->block_count; b++) {
		const struct op_list *block = &capability->blocks[b];
		size_t i = 0;

		while (i < block->count && !falls_back[block->ops[i]]) {
			i++;
		}
		if (i < block->count) {
			plan->ranking[plan->ranking_count] = (struct plan_ranked){
				.op = (uint32_t)b,
				.place = (uint32_t)plan->ranking_count,
				.merit = -INFINITY,
			};
			plan->ranking_count++;
		}
	}
	free(ops);
	free(falls_back);
}

/* All operators of a block, also those that are not quantized (docs/inc.md, "Block fallback"). */
static void put_back(const struct plan *plan, size_t place, uint16_t *choices)
{
	const struct op_list *block = &plan->space->capability.blocks[plan->ranking[place].op];
	enum mode precision = plan_step(plan)->precision;

	for (size_t i = 0; i < block->count; i++) {
		if (space_kind(plan->space, block->ops[i])->per_mode[precision] > 0) {
			plan_fall_back(plan, block->ops[i], choices);
		}
	}
}

static void ask_first(const struct plan *plan, uint64_t count, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->base);

	for (uint64_t i = 0; i < count; i++) {
		put_back(plan, i, choices);
	}
	plan_evaluate(plan, choices, out);
}

static void enter_listed(struct plan *plan)
{
	list_blocks(plan);
	plan->length = plan->blocks_by_impact ? 0 : plan->ranking_count;
}

static void ask_listed(const struct plan *plan, uint64_t index, struct question *out)
{
	ask_first(plan, index + 1, out);
}

static void enter_alone(struct plan *plan)
{
	list_blocks(plan);
	plan->length = plan->blocks_by_impact ? plan->ranking_count : 0;
}

static void ask_alone(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->base);

	put_back(plan, index, choices);
	plan_evaluate(plan, choices, out);
}

static void told_alone(struct plan *plan, uint64_t index, const struct event *event)
{
	if (event->type == EVENT_TOLD) {
		plan->ranking[index].merit = event->merit;
	}
}

static void enter_impact(struct plan *plan)
{
	size_t tried = plan_tried_alone(plan);

	if (plan->blocks_by_impact) {
		plan_rank(plan);
		plan->length = plan->ranking_count > tried ? plan->ranking_count - tried : 0;
	}
}

static void ask_impact(const struct plan *plan, uint64_t index, struct question *out)
{
	ask_first(plan, index + 1 + plan_tried_alone(plan), out);
}

const struct stage stage_block_fallback = {
	.name = "block_fallback",
	.enter = enter_listed,
	.ask = ask_listed,
};

const struct stage stage_block_alone = {
	.name = "block_fallback",
	.ranks = true,
	.enter = enter_alone,
	.ask = ask_alone,
	.told = told_alone,
};

const struct stage stage_block_impact = {
	.name = "block_accumulated",
	.enter = enter_impact,
	.ask = ask_impact,
};
