/* What is expected of options once the evaluator scored operators, or each of their options. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "space_kit.h"
#include "strategies/models/effects.h"
#include "strategies/models/latency_model.h"
#include "strategies/models/score_question.h"

enum { OPTIONS = 3 };

static const struct kit_op ops[] = {
	{"a", "t", "static a.scheme=asym,sym; fp32"},
	{"b", "t", "static a.scheme=asym,sym; fp32"},
	{"c", "t", "fp32"},
	{NULL, NULL, NULL},
};

struct world {
	struct space *space;
	struct objective objective;
	struct problem problem;
	struct effects effects;
};

static void world_init(struct world *world, const char *const *answers)
{
	struct kit_request request = {0};
	struct err err;

	*world = (struct world){.space = kit_space(ops, &request, &err)};
	cr_assert_not_null(world->space);
	world->objective.count = 1;
	world->problem = (struct problem){
		.space = world->space, .objective = &world->objective, .answers = answers};
	effects_init(&world->effects, &world->problem);
}

static void world_finish(struct world *world)
{
	effects_finish(&world->effects);
	space_destroy(world->space);
}

static const double *losses_after(struct world *world, const double *scores, const double *options)
{
	static const char *const answers[] = {"evaluate", "score:mse", NULL};

	world_init(world, answers);
	effects_take_scores(&world->effects, scores, options);
	effects_expect(&world->effects, 1, 1);
	return world->effects.losses;
}

Test(effects, scores_of_options_are_proportions_of_losses)
{
	static const double scores[] = {0.1, 0.2};
	static const double options[] = {0.1, 0.4, 0, 0.2, 0.05, 0};
	struct world world;
	const double *losses = losses_after(&world, scores, options);

	for (size_t o = 0; o < sizeof(options) / sizeof(options[0]); o++) {
		cr_expect_float_eq(losses[o], losses[0] * options[o] / options[0], 1e-12);
	}
	cr_expect(world.effects.scored);
	world_finish(&world);
}

Test(effects, one_score_for_an_operator_leaves_the_default_ahead)
{
	static const double scores[] = {0.1, 0.2};
	struct world world;
	const double *losses = losses_after(&world, scores, NULL);

	cr_expect_float_eq(losses[OPTIONS], 2 * losses[0], 1e-12);
	cr_expect_float_eq(losses[1], 1.3 * losses[0], 1e-12);
	cr_expect_float_eq(losses[OPTIONS + 1], 1.3 * losses[OPTIONS], 1e-12);
	world_finish(&world);
}

Test(effects, nothing_quantized_is_expected_to_be_free)
{
	static const double scores[] = {-0.1, 0.2};
	static const double options[] = {-0.1, 0, 0.1, 0, 0.4, 0.1};
	struct world world;
	const double *losses = losses_after(&world, scores, options);

	for (size_t i = 0; i < 2; i++) {
		cr_expect_gt(losses[OPTIONS * i], 0);
		cr_expect_gt(losses[OPTIONS * i + 1], 0);
		cr_expect_eq(losses[OPTIONS * i + 2], 0, "fp32 loses nothing, whatever is said");
	}
	cr_expect_lt(losses[OPTIONS], 0.05 * losses[OPTIONS + 1]);
	world_finish(&world);
}

static bool asks_for_options(const char *const *answers, const char *method)
{
	struct question question = {0};
	struct world world;
	bool per_option;

	world_init(&world, answers);
	cr_assert(score_question_wanted(&world.effects, &world.problem));
	score_question_ask(&world.effects, &world.problem, &question);
	cr_assert_str_eq(question.method, method);
	cr_expect_eq(question.op_count, 2, "c cannot be quantized");
	per_option = question.per_option;
	question_finish(&question);
	world_finish(&world);
	return per_option;
}

Test(effects, whatever_tells_options_apart_is_asked_for_first)
{
	static const char *const plain[] = {"score:mse", NULL};
	static const char *const other[] = {"score:mse:options", "score:hawq_v2", NULL};
	static const char *const both[] = {"score:mse", "score:mse:options", NULL};

	cr_expect_not(asks_for_options(plain, "mse"));
	cr_expect(asks_for_options(other, "mse"));
	cr_expect(asks_for_options(both, "mse"));
}

/* The options of one operator, of which the first is the default. */
static void expect_factors(const char *modes, enum approach approach, int64_t rules,
			   const double *factors, size_t count)
{
	const struct kit_op one[] = {{"a", "t", modes}, {NULL, NULL, NULL}};
	struct kit_request request = {.approach = approach};
	struct err err;
	struct world world = {.space = kit_space(one, &request, &err)};

	cr_assert_not_null(world.space, "%s", err.message);
	world.objective = (struct objective){.count = 1, .rules = rules};
	world.problem = (struct problem){.space = world.space, .objective = &world.objective};
	effects_init(&world.effects, &world.problem);
	cr_assert_geq(world.effects.option_count, count);
	for (size_t o = 0; o < count; o++) {
		cr_expect_float_eq(world.effects.factors[o] / world.effects.factors[0], factors[o],
				   1e-9, "%s: option %zu is %g", modes, o,
				   world.effects.factors[o] / world.effects.factors[0]);
	}
	world_finish(&world);
}

Test(effects, fewer_bits_lose_more_and_gain_more)
{
	static const double bits[] = {1, 1 / 256.0, 4}, first[] = {1, 1.2, 1.2},
			    dtypes[] = {1, 256};
	const char *const modes = "weight_only w.bits=4,8,3; fp32";

	expect_factors(modes, APPROACH_WEIGHT_ONLY, 2, bits, 3);
	expect_factors(modes, APPROACH_WEIGHT_ONLY, 1, first, 3);
	expect_factors("static w.dtype=int8; static w.dtype=int4; fp32", APPROACH_AUTO, 2, dtypes,
		       2);
}

Test(effects, larger_groups_lose_more)
{
	static const double sizes[] = {1, 0.659753955386447};

	expect_factors("weight_only w.group_size=128,32; fp32", APPROACH_WEIGHT_ONLY, 2, sizes, 2);
}

static void know(struct capability *capability, const struct fact_entry *entries, size_t count)
{
	capability->facts = mem_new(1, sizeof(*capability->facts));
	capability->told_count = capability->fact_count = 1;
	capability->facts[0].entries = mem_new(count, sizeof(*entries));
	capability->facts[0].count = count;
	memcpy(capability->facts[0].entries, entries, count * sizeof(*entries));
	capability->ops[0].own_facts = 1;
	capability->ops[1].type_facts = 1;
}

/* What is known of options takes the place of an evaluator's scores, and of guessed latencies. */
Test(effects, what_is_known_of_options_is_believed)
{
	struct kit_request request = {0};
	struct err err;
	struct space *space = kit_space(ops, &request, &err);
	uint16_t sym = atoms_find(&space->capability.atoms, "sym");
	const struct fact_entry entries[] = {
		{.options = {[ITEM_ACTIVATION_SCHEME] = sym}, .values = {1, 10, 0.4}},
		{.of_mode = true, .mode = MODE_STATIC, .values = {2, NAN, 0.1}},
		{.values = {8, 40, 0}},
	};
	struct objective objective = {.count = 1, .rules = 2};
	struct problem problem = {.space = space,
				  .objective = &objective,
				  .answers = (const char *[]){"evaluate", NULL}};
	struct effects effects;

	know(&space->capability, entries, 3);
	effects_init(&effects, &problem);
	effects_expect(&effects, 1, 1);
	cr_expect(effects.scored);
	cr_expect(effects.timed);
	for (uint32_t i = 0; i < 2; i++) {
		const double *losses = &effects.losses[effects.first[i]];
		const double *costs = &effects.latencies[effects.first[i]];

		cr_expect_float_eq(losses[1], 4 * losses[0], 1e-12);
		cr_expect_eq(losses[2], 0);
		cr_expect_float_eq(costs[2], 4 * costs[0], 1e-12);
		cr_expect_float_eq(costs[0], 2 * costs[1], 1e-12);
	}
	effects_finish(&effects);
	objective.metrics[0].name = "model_size_bytes";
	effects_init(&effects, &problem);
	cr_expect_float_eq(effects.latencies[2], 4 * effects.latencies[1], 1e-12);
	cr_expect_float_eq(effects.latencies[2], effects.latencies[0], 1e-12, "not said: the next");
	effects_finish(&effects);
	space_destroy(space);
}

/* ... and so does what other jobs learnt, which is no reason not to ask for scores. */
Test(effects, what_others_learnt_is_expected_and_asked_for_all_the_same)
{
	struct kit_request request = {0};
	struct err err;
	struct space *space = kit_space(ops, &request, &err);
	const struct fact_entry entries[] = {
		{.of_mode = true, .mode = MODE_STATIC, .values = {2, NAN, 0.1}},
		{.values = {8, 40, 0}},
	};
	struct objective objective = {.count = 1, .rules = 2};
	struct problem problem = {.space = space,
				  .objective = &objective,
				  .answers = (const char *[]){"evaluate", "score:mse", NULL}};
	struct effects effects;

	know(&space->capability, entries, 2);
	space->capability.told_count = 0;
	space->capability.ops[0].own_facts = space->capability.ops[1].type_facts = 0;
	space->capability.ops[0].learnt_facts = space->capability.ops[1].learnt_facts = 1;
	effects_init(&effects, &problem);
	cr_expect(effects.learnt);
	cr_expect_not(effects.scored);
	cr_expect(effects.paced);
	cr_expect_not(effects.timed);
	cr_expect(score_question_wanted(&effects, &problem));
	cr_expect(latency_model_knows(&effects, 0, 0), "its time was learnt");
	cr_expect_not(latency_model_knows(&effects, 2, effects.first[2]),
		      "of this one nobody knows");
	cr_expect_lt(effects.latencies[0], effects.latencies[effects.first[1] - 1]);
	effects_finish(&effects);
	space_destroy(space);
}
