/*
 * Stages of mse_v2: the operator that hurts the output most goes back, and later what can be quantized again.
 *
 * Even questions ask for scores, odd ones measure what follows from them. `current` is the config
 * come to, the newest record the operators that it has in higher precision, in the order in which
 * they went there. A record that was tried is never tried again, so both phases end.
 */
#include "strategies/plan/stages.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const struct op_list *newest(const struct plan *plan)
{
	static const struct op_list none = {0};

	return plan->record_count > 0 ? &plan->records[plan->record_count - 1] : &none;
}

static void add_record(struct plan *plan, const struct op_list *record)
{
	plan->records = mem_grow(plan->records, plan->record_count + 1, sizeof(*plan->records));
	plan->records[plan->record_count++] = *record;
}

static bool is_recorded(const struct plan *plan, const struct op_list *record)
{
	for (size_t i = 0; i < plan->record_count; i++) {
		if (plan->records[i].count == record->count &&
		    memcmp(plan->records[i].ops, record->ops,
			   record->count * sizeof(*record->ops)) == 0) {
			return true;
		}
	}
	return false;
}

static struct op_list copy(const struct op_list *record, size_t room)
{
	struct op_list list = {.ops = mem_new(room, sizeof(*list.ops)), .count = record->count};

	if (record->count > 0) {
		memcpy(list.ops, record->ops, record->count * sizeof(*list.ops));
	}
	return list;
}

/* What can still go to higher precision. The caller frees *ret_ops. */
static size_t left(const struct plan *plan, uint32_t **ret_ops)
{
	*ret_ops = mem_new(plan->space->op_count, sizeof(**ret_ops));
	return plan_candidates(plan, plan->current, *ret_ops);
}

static bool any_left(const struct plan *plan)
{
	uint32_t *ops;
	size_t count = left(plan, &ops);

	free(ops);
	return count > 0;
}

static void enter_fallback(struct plan *plan)
{
	if (plan->last_met) {
		return;
	}
	memcpy(plan->current, plan->base, plan->space->dimension_count * sizeof(*plan->current));
	plan_forget_records(plan);
	plan->length = any_left(plan) ? 1 : 0;
}

static void ask_current(const struct plan *plan, struct question *out)
{
	plan_evaluate(plan, plan_copy(plan, plan->current), out);
}

static void ask_fallback(const struct plan *plan, uint64_t index, struct question *out)
{
	if (index % 2 != 0) {
		ask_current(plan, out);
		return;
	}
	plan_score(plan, plan->current, "fallback", out);
	out->op_count = plan_candidates(plan, plan->current, out->ops);
}

static void put_back_most_sensitive(struct plan *plan, const double *scores)
{
	struct op_list record = copy(newest(plan), newest(plan)->count + 1);
	uint32_t *ops;
	size_t count = left(plan, &ops);
	size_t worst = 0;

	for (size_t i = 1; i < count; i++) {
		worst = scores[i] > scores[worst] ? i : worst;
	}
	plan_fall_back(plan, ops[worst], plan->current);
	record.ops[record.count++] = ops[worst];
	add_record(plan, &record);
	free(ops);
}

static void told_fallback(struct plan *plan, uint64_t index, const struct event *event)
{
	bool told = event->type == EVENT_TOLD;

	if (index % 2 == 0) {
		if (told) {
			put_back_most_sensitive(plan, event->scores);
			plan->length++;
		}
	} else if (!(told && event->feasible) && any_left(plan)) {
		plan->length++;
	}
}

static void enter_revert(struct plan *plan)
{
	plan->length = plan->last_met && newest(plan)->count > 1 ? 1 : 0;
}

static void ask_revert(const struct plan *plan, uint64_t index, struct question *out)
{
	const struct op_list *record = newest(plan);

	if (index % 2 != 0) {
		ask_current(plan, out);
		return;
	}
	plan_score(plan, plan->current, "requantize", out);
	for (; out->op_count < record->count; out->op_count++) {
		out->ops[out->op_count] = record->ops[out->op_count];
	}
}

static struct op_list without(const struct op_list *record, size_t place)
{
	struct op_list list = copy(record, record->count);

	list.count--;
	memmove(&list.ops[place], &list.ops[place + 1], (list.count - place) * sizeof(*list.ops));
	return list;
}

/* The least sensitive operator whose return gives a record that is new; false without one. */
static bool requantize_least_sensitive(struct plan *plan, const double *scores)
{
	const struct op_list *record = newest(plan);
	struct op_list chosen = {0};
	size_t best = record->count;

	for (size_t i = 0; i < record->count; i++) {
		struct op_list shorter = without(record, i);

		if (is_recorded(plan, &shorter) ||
		    (best < record->count && scores[i] >= scores[best])) {
			free(shorter.ops);
			continue;
		}
		free(chosen.ops);
		chosen = shorter;
		best = i;
	}
	if (best == record->count) {
		return false;
	}
	plan->current[record->ops[best]] = plan->base[record->ops[best]];
	add_record(plan, &chosen);
	return true;
}

static void told_revert(struct plan *plan, uint64_t index, const struct event *event)
{
	if (event->type != EVENT_TOLD) {
		return;
	}
	if (index % 2 == 0) {
		plan->length += requantize_least_sensitive(plan, event->scores) ? 1 : 0;
	} else if (event->feasible && newest(plan)->count > 1) {
		plan->length++;
	}
}

const struct stage stage_mse_v2_fallback = {
	.name = "sensitivity_fallback",
	.insists = true,
	.enter = enter_fallback,
	.ask = ask_fallback,
	.told = told_fallback,
};

const struct stage stage_mse_v2_revert = {
	.name = "requantize",
	.insists = true,
	.enter = enter_revert,
	.ask = ask_revert,
	.told = told_revert,
};
