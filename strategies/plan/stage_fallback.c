/* Stages that put operators back into higher precision, one by one, together or by halves. */
#include "strategies/plan/stages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Static operators in the capability's order, then dynamic ones, and all that backwards; or the
 * most sensitive first. */
static void list_ops(struct plan *plan)
{
	uint32_t *ops = mem_new(plan->space->op_count, sizeof(*ops));
	size_t count = plan_candidates(plan, plan->base, ops);

	for (size_t i = 0; i < count; i++) {
		uint32_t op = ops[plan->scored ? i : count - 1 - i];

		plan->ranking[i] = (struct plan_ranked){
			.op = op,
			.place = (uint32_t)i,
			.merit = plan->scored ? plan->scores[op] : 0,
		};
	}
	plan->ranking_count = count;
	plan_rank(plan);
	free(ops);
}

static void enter_alone(struct plan *plan)
{
	list_ops(plan);
	for (size_t i = 0; i < plan->ranking_count; i++) {
		plan->ranking[i].place = (uint32_t)i;
		plan->ranking[i].merit = -INFINITY;
	}
	plan->length = plan->ranking_count;
}

static void ask_alone(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->base);

	plan_fall_back(plan, plan->ranking[index].op, choices);
	plan_evaluate(plan, choices, out);
}

static void told_alone(struct plan *plan, uint64_t index, const struct event *event)
{
	if (event->type == EVENT_TOLD) {
		plan->ranking[index].merit = event->merit;
	}
}

static void ask_first(const struct plan *plan, uint64_t count, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->base);

	for (uint64_t i = 0; i < count; i++) {
		plan_fall_back(plan, plan->ranking[i].op, choices);
	}
	plan_evaluate(plan, choices, out);
}

static void enter_accumulated(struct plan *plan)
{
	size_t tried = plan_tried_alone(plan);

	plan_rank(plan);
	plan->length = plan->ranking_count > tried ? plan->ranking_count - tried : 0;
}

static void ask_accumulated(const struct plan *plan, uint64_t index, struct question *out)
{
	ask_first(plan, index + 1 + plan_tried_alone(plan), out);
}

static void enter_sensitivity(struct plan *plan)
{
	list_ops(plan);
	plan->length = plan->ranking_count;
}

static void ask_sensitivity(const struct plan *plan, uint64_t index, struct question *out)
{
	ask_first(plan, index + 1, out);
}

/* The base itself misses, or there would be nothing to look for. */
static void enter_bisect(struct plan *plan)
{
	size_t *failed = plan->bisection.failed;

	list_ops(plan);
	plan->bisection = (struct plan_bisection){
		.enough = plan->ranking_count + 1,
		.failed = mem_grow(failed, plan->ranking_count, sizeof(*failed)),
	};
	plan->length = !plan->met && plan->ranking_count > 0 ? 1 : 0;
}

/* The least number known that is not to be asked again: it was enough, or it failed. */
static size_t upper_end(const struct plan_bisection *b)
{
	return b->failed_count > 0 ? b->failed[b->failed_count - 1] : b->enough;
}

/* 1, 2, 4, ... until that is enough or fails, then the middle; in no order always the middle. */
static size_t probe(const struct plan *plan)
{
	const struct plan_bisection *b = &plan->bisection;
	size_t twice = b->missed > 0 ? b->missed * 2 : 1;

	if (plan->halves && !plan->scored && b->enough > plan->ranking_count &&
	    b->failed_count == 0) {
		return b->missed + (plan->ranking_count - b->missed + 1) / 2;
	}
	if (upper_end(b) <= plan->ranking_count) {
		return b->missed + (upper_end(b) - b->missed) / 2;
	}
	return twice < plan->ranking_count ? twice : plan->ranking_count;
}

static void ask_bisect(const struct plan *plan, uint64_t index, struct question *out)
{
	(void)index;
	ask_first(plan, probe(plan), out);
}

static bool has_met(const struct event *event)
{
	return event->type == EVENT_TOLD && event->feasible;
}

/*
 * A failure is no verdict: first the numbers below it are bisected, as when the memory is too small
 * for more. Once there are none left those above it follow; when something met the criterion all failures
 * are passed over at once, since what is left to find is only a better one.
 */
static void pass_over_failures(struct plan *plan)
{
	struct plan_bisection *b = &plan->bisection;

	while (b->failed_count > 0 && upper_end(b) - b->missed == 1) {
		b->missed = plan->met ? b->failed[0] : upper_end(b);
		b->failed_count = plan->met ? 0 : b->failed_count - 1;
	}
}

static void told_bisect(struct plan *plan, uint64_t index, const struct event *event)
{
	struct plan_bisection *b = &plan->bisection;
	size_t count = probe(plan);

	(void)index;
	if (event->type != EVENT_TOLD) {
		b->failed[b->failed_count++] = count;
	} else if (event->feasible) {
		b->enough = count;
		b->failed_count = 0; /* those are more */
	} else {
		b->missed = count;
	}
	pass_over_failures(plan);
	plan->length += b->enough - b->missed > 1;
}

/* The last of those that fell back is needed: without it the bisection missed. */
static void enter_requantize(struct plan *plan)
{
	struct plan_bisection *b = &plan->bisection;

	if (plan->met && b->enough > 1 && b->enough <= plan->ranking_count) {
		memcpy(plan->current, plan->base,
		       plan->space->dimension_count * sizeof(*plan->current));
		for (size_t i = 0; i < b->enough; i++) {
			plan_fall_back(plan, plan->ranking[i].op, plan->current);
		}
		b->end = b->enough - 1;
		b->spoilt = b->end;
		b->chunk = (b->end + 1) / 2;
		plan->length = 1;
	}
}

static void quantize_chunk(const struct plan *plan, uint16_t *choices)
{
	const struct plan_bisection *b = &plan->bisection;

	for (size_t i = b->end - b->chunk; i < b->end; i++) {
		uint32_t op = plan->ranking[i].op;

		choices[op] = plan->base[op];
	}
}

static void ask_requantize(const struct plan *plan, uint64_t index, struct question *out)
{
	uint16_t *choices = plan_copy(plan, plan->current);

	(void)index;
	quantize_chunk(plan, choices);
	plan_evaluate(plan, choices, out);
}

static void told_requantize(struct plan *plan, uint64_t index, const struct event *event)
{
	struct plan_bisection *b = &plan->bisection;
	bool met = has_met(event);

	(void)index;
	if (met) {
		quantize_chunk(plan, plan->current);
	}
	if (met || b->chunk == 1) {
		b->end -= b->chunk;
	} else {
		b->spoilt = b->end - b->chunk;
	}
	if (!met && b->chunk == 1) {
		b->spoilt = b->end;
	}
	/* Of two that miss together and of which one was met, the other is to blame. */
	if (b->spoilt + 1 == b->end) {
		b->end--;
	}
	if (b->spoilt < b->end) {
		b->chunk = (b->end - b->spoilt) / 2;
	}
	b->chunk = b->chunk < b->end ? b->chunk : b->end;
	plan->length += b->end > 0;
}

const struct stage stage_instance_fallback = {
	.name = "instance_fallback",
	.ranks = true,
	.enter = enter_alone,
	.ask = ask_alone,
	.told = told_alone,
};

const struct stage stage_accumulated_fallback = {
	.name = "accumulated_fallback",
	.enter = enter_accumulated,
	.ask = ask_accumulated,
};

const struct stage stage_sensitivity_fallback = {
	.name = "accumulated_fallback",
	.enter = enter_sensitivity,
	.ask = ask_sensitivity,
};

const struct stage stage_bisect = {
	.name = "bisect",
	.enter = enter_bisect,
	.ask = ask_bisect,
	.told = told_bisect,
};

const struct stage stage_requantize = {
	.name = "requantize",
	.enter = enter_requantize,
	.ask = ask_requantize,
	.told = told_requantize,
};
