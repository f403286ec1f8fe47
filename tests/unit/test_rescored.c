/* A space with other scores: what was told, and all that the capability tells of costs. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "space/rescored.h"
#include "space_kit.h"

enum { A, B, OPS };
enum { PER_CHANNEL, PER_TENSOR, DYNAMIC };
enum { OWN, OF_TYPE, LEARNT, LISTS };

static const struct kit_op ops[] = {
	{"a", "t", "static w.granularity=per_channel,per_tensor; dynamic; fp32"},
	{"b", "t", "static w.granularity=per_channel,per_tensor; dynamic; fp32"},
	{NULL, NULL, NULL},
};

/* Of all choices, as far as it is not narrowed. */
static struct fact_entry entry(double latency, double size, double score)
{
	return (struct fact_entry){.values = {[FACT_LATENCY_MS] = latency,
					      [FACT_SIZE_BYTES] = size,
					      [FACT_SCORE] = score}};
}

static struct fact_list list(size_t count)
{
	return (struct fact_list){mem_new(count, sizeof(struct fact_entry)), count};
}

/* Operator a has entries of its own, both those of their type and what was learnt. */
static struct space *knowing(void)
{
	struct kit_request request = {.approach = APPROACH_AUTO};
	struct err err;
	struct space *space = kit_space(ops, &request, &err);
	struct capability *capability = &space->capability;
	struct fact_entry *own;

	capability->facts = mem_new(LISTS, sizeof(*capability->facts));
	capability->fact_count = LISTS;
	capability->told_count = LEARNT;
	capability->facts[OWN] = list(2);
	own = capability->facts[OWN].entries;
	own[0] = entry(6, NAN, 60);
	own[0].options[ITEM_WEIGHT_GRANULARITY] = atoms_find(&capability->atoms, "per_tensor");
	own[1] = entry(5, NAN, 50);
	own[1].of_mode = true;
	own[1].mode = MODE_STATIC;
	capability->facts[OF_TYPE] = list(1);
	capability->facts[OF_TYPE].entries[0] = entry(NAN, 8, 80);
	capability->facts[LEARNT] = list(1);
	capability->facts[LEARNT].entries[0] = entry(9, NAN, 90);
	capability->ops[A].own_facts = OWN + 1;
	for (size_t i = 0; i < OPS; i++) {
		capability->ops[i].type_facts = OF_TYPE + 1;
		capability->ops[i].learnt_facts = LEARNT + 1;
	}
	return space;
}

static struct rescore *told(size_t count)
{
	struct rescore *scores = mem_new(1, sizeof(*scores));

	scores->ops = mem_new(count, sizeof(*scores->ops));
	scores->count = count;
	return scores;
}

static void expect(const struct space *space, size_t op, enum fact fact, double per_channel,
		   double per_tensor, double dynamic)
{
	const double expected[] = {per_channel, per_tensor, dynamic};

	for (uint16_t option = 0; option <= DYNAMIC; option++) {
		struct choice choice = space_resolve(space, op, option, NULL);
		double value = space_fact(space, fact, op, &choice);

		cr_expect(value == expected[option] || (isnan(value) && isnan(expected[option])),
			  "operator %zu, fact %d, option %d: %g", op, (int)fact, option, value);
	}
}

/* Of costs nothing changes, whatever is told of whom. */
static void expect_costs(const struct space *space)
{
	expect(space, A, FACT_LATENCY_MS, 5, 6, 9);
	expect(space, B, FACT_LATENCY_MS, 9, 9, 9);
	expect(space, A, FACT_SIZE_BYTES, 8, 8, 8);
	expect(space, B, FACT_SIZE_BYTES, 8, 8, 8);
	cr_expect(capability_has_entries(&space->capability, FACT_LATENCY_MS));
	cr_expect(capability_has_entries(&space->capability, FACT_SIZE_BYTES));
	cr_expect(capability_learnt(&space->capability, FACT_LATENCY_MS));
	cr_expect_not(capability_learnt(&space->capability, FACT_SIZE_BYTES));
}

Test(rescored, what_is_told_of_options_stands_before_what_is_known_of_costs)
{
	struct space *space = knowing(), *other;
	struct rescore *scores = told(2);

	scores->ops[0] = (struct rescore_op){A, NAN, list(1)};
	scores->ops[0].entries.entries[0] = entry(NAN, NAN, 1);
	scores->ops[1] = (struct rescore_op){.op = B, .number = 2};
	other = rescored_create(space, scores);
	rescore_destroy(scores);
	expect_costs(other);
	expect(other, A, FACT_SCORE, 1, 1, 1);
	expect(other, B, FACT_SCORE, 2, 2, 2);
	cr_expect(capability_has_entries(&other->capability, FACT_SCORE));
	cr_expect_not(capability_learnt(&other->capability, FACT_SCORE), "units may be others");
	rescored_destroy(other);
	expect_costs(space);
	expect(space, A, FACT_SCORE, 50, 60, 80);
	space_destroy(space);
}

Test(rescored, of_whom_no_number_is_told_none_is_known)
{
	struct space *space = knowing(), *other;
	struct rescore *scores = told(1);

	scores->ops[0] = (struct rescore_op){.op = B, .number = 3};
	other = rescored_create(space, scores);
	rescore_destroy(scores);
	expect_costs(other);
	expect(other, A, FACT_SCORE, NAN, NAN, NAN);
	expect(other, B, FACT_SCORE, 3, 3, 3);
	cr_expect_not(capability_has_entries(&other->capability, FACT_SCORE));
	rescored_destroy(other);
	space_destroy(space);
}
