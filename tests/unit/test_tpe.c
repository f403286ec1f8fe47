/* tpe: which trials are good, what densities are made of them, and what is asked. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "search_kit.h"
#include "space_kit.h"
#include "strategies/models/normal.h"
#include "strategies/models/parzen.h"
#include "strategies/models/promise.h"
#include "strategies/models/split.h"

static struct space *space_of(const struct kit_op *ops, size_t sizes)
{
	struct err err;
	struct space *space = kit_space(ops, &(struct kit_request){.sizes = sizes}, &err);

	cr_assert_not_null(space, "%s", err.message);
	return space;
}

static const struct objective no_objective;

static struct space *small_space(void)
{
	static const struct kit_op ops[] = {{"a", "Conv2d", "static a.scheme=x,y; bf16; fp32"},
					    {"b", "Linear", "static a.scheme=x,y; fp32"},
					    {.name = NULL}};

	return space_of(ops, 3);
}

static struct space *large_space(size_t count)
{
	struct kit_op *ops = mem_new(count + 1, sizeof(*ops));
	char **names = mem_new(count, sizeof(*names));
	struct space *space;

	for (size_t i = 0; i < count; i++) {
		names[i] = mem_printf("op%zu", i);
		ops[i] = (struct kit_op){names[i], "Conv2d", "static a.scheme=x,y; bf16; fp32"};
	}
	space = space_of(ops, 0);
	for (size_t i = 0; i < count; i++) {
		free(names[i]);
	}
	free(names);
	free(ops);
	return space;
}

/* A measurement of config `number` of the product, kept in configs[number]. */
static void tell(struct trials *trials, struct config **configs, uint64_t number,
		 enum event_type type, double margin, double objective)
{
	struct event event = {.type = type,
			      .kind = QUESTION_EVALUATE,
			      .margin = margin,
			      .feasible = margin >= 0,
			      .objective = objective};

	if (configs[number] == NULL) {
		configs[number] = product_at(&trials->product, number);
	}
	event.config = configs[number];
	cr_assert_neq(trials_apply(trials, &event), TRIALS_NONE);
}

struct world {
	struct space *space;
	struct trials trials;
	struct config *configs[64];
};

static void world_init(struct world *world)
{
	const struct event baseline = {
		.type = EVENT_TOLD, .kind = QUESTION_BASELINE, .feasible = true, .objective = 1};

	*world = (struct world){.space = small_space()};
	trials_init(&world->trials,
		    &(struct problem){.space = world->space, .objective = &no_objective}, true);
	cr_assert_eq(world->trials.product.size, 3 * 4 * 3);
	cr_assert_eq(trials_apply(&world->trials, &baseline), 0);
}

static void world_finish(struct world *world)
{
	trials_finish(&world->trials);
	for (size_t i = 0; i < 64; i++) {
		config_destroy(world->configs[i]);
	}
	space_destroy(world->space);
}

/* The sizes 100, 200, 300 have an order, so the kernel around 100 favours 200 to 300. */
Test(tpe, kernels_are_densities)
{
	struct world world;
	struct parzen parzen;
	double sums[2] = {0, 0};

	world_init(&world);
	tell(&world.trials, world.configs, 17, EVENT_TOLD, 1, 1);
	parzen_init(&parzen, &world.trials, 0.1);
	for (uint64_t i = 0; i < world.trials.product.size; i++) {
		struct config *config = product_at(&world.trials.product, i);
		uint16_t digits[3];
		float logs[2];

		cr_assert(product_digits(&world.trials.product, config, digits));
		parzen_log_densities(&parzen, digits, 0, 2, logs);
		sums[0] += exp(logs[0]);
		sums[1] += exp(logs[1]);
		if (config_equal(config, world.configs[17])) {
			cr_expect_float_eq(
				logs[1], log(0.9 * 0.9 * parzen_of_digit(&parzen, 0, 1, 1)), 1e-6);
		}
		config_destroy(config);
	}
	cr_expect_float_eq(sums[0], 1, 1e-6);
	cr_expect_float_eq(sums[1], 1, 1e-6);
	cr_expect_gt(parzen_of_digit(&parzen, 0, 0, 1), parzen_of_digit(&parzen, 0, 0, 2));
	cr_expect_float_eq(parzen_of_digit(&parzen, 1, 0, 2), 0.1 / 3, 1e-12);
	parzen_finish(&parzen);
	world_finish(&world);
}

/* 2 x 2 x 2 draws of each pair: 6 standard deviations of 10000 draws at 0.1 are 180. */
Test(tpe, draws_follow_the_kernel)
{
	struct rng rng = rng_make(1, RNG_SEARCH, 0);
	struct world world;
	struct parzen parzen;
	int counts[4] = {0};

	world_init(&world);
	parzen_init(&parzen, &world.trials, 0.3);
	for (int i = 0; i < 10000; i++) {
		counts[parzen_draw(&parzen, 1, 2, &rng)]++;
	}
	for (uint16_t b = 0; b < 4; b++) {
		double expected = 10000 * parzen_of_digit(&parzen, 1, 2, b);

		cr_expect_float_eq(counts[b], expected, 6 * sqrt(expected));
	}
	parzen_finish(&parzen);
	world_finish(&world);
}

/* The baseline is trial 0 and feasible with an objective of 1. */
static void tell_some(struct world *world)
{
	tell(&world->trials, world->configs, 0, EVENT_FAILED, 0, 0);
	tell(&world->trials, world->configs, 1, EVENT_TOLD, -1, 0.1);
	tell(&world->trials, world->configs, 2, EVENT_TOLD, 1, 0.5);
	tell(&world->trials, world->configs, 3, EVENT_ASKED, 0, 0);
	tell(&world->trials, world->configs, 4, EVENT_TOLD, -0.5, 0.9);
	tell(&world->trials, world->configs, 5, EVENT_TOLD, 0, 0.7);
}

static void expect_good(const struct world *world, const struct problem *inc,
			const size_t *expected, size_t count)
{
	struct split split;

	split_init(&split, &world->trials, 0.9, inc);
	cr_assert_eq(split.good_count, count);
	for (size_t i = 0; i < count; i++) {
		cr_expect_eq(split.good[i], expected[i], "%zu is trial %zu", i, split.good[i]);
		cr_expect(split.is_good[split.good[i]]);
	}
	cr_expect(!split.is_good[4], "a trial that is out is good");
	split_finish(&split);
}

Test(tpe, feasible_trials_are_best_then_those_that_miss_least)
{
	/* 6 of 6 known trials, the failed one last. */
	static const size_t expected[] = {3, 6, 0, 5, 2, 1};
	struct world world;

	world_init(&world);
	tell_some(&world);
	expect_good(&world, NULL, expected, 6);
	world_finish(&world);
}

/*
 * By hand: losses are 10 - 8 ln(r) 10 / (8 ln 2) = 10 - 10 log2(r): 0 at half the time, 4.85 at
 * 0.7, 10 for the baseline; a miss adds 80 and 10 (e^loss - 1) / (e^0.01 - 1): trial 5 has
 * 8.5 + 80 + 15.0, trial 2 only -23.2 + 80 + 20.1 as it takes a tenth of the time.
 */
Test(tpe, the_loss_of_inc_lets_speed_make_up_for_accuracy)
{
	static const size_t expected[] = {3, 6, 0, 2, 5, 1};
	struct criterion criterion = {.relative = true, .metric_count = 1};
	struct objective objective = {.count = 1};
	const struct problem problem = {.criterion = &criterion, .objective = &objective};
	struct world world;

	criterion.metrics[0].tolerable_loss = 0.01;
	world_init(&world);
	tell_some(&world);
	expect_good(&world, &problem, expected, 6);
	world_finish(&world);
}

/* What config `number` of the small product gives: sizes, choices of a and of b add up. */
static void effects_of(uint64_t number, double *ret_margin, double *ret_objective)
{
	static const double margins[] = {-0.4, -0.1, 0.2, 0.3},
			    objectives[] = {0.2, 0.25, 0.3, 0.5};
	uint64_t size = number / 12, a = number / 3 % 4, b = number % 3;

	*ret_margin = 0.1 * (double)size + margins[a] + 0.2 * (double)b - 0.15;
	*ret_objective = 0.01 * (double)size + objectives[a] + 0.1 * (double)b;
}

static void tell_effects(struct world *world, uint64_t number)
{
	double margin, objective;

	effects_of(number, &margin, &objective);
	tell(&world->trials, world->configs, number, EVENT_TOLD, margin, objective);
}

static double objective_of(const struct known *trial)
{
	return trial->objective;
}

/*
 * Where every config was measured once, choices are not correlated and the regression is solved by
 * hand: a choice's own effect is what its mode leaves of its difference, times n / (n + 30), a
 * mode's what its choices leave, times n / (n + 5).
 */
Test(tpe, effects_are_those_of_ridge_regression)
{
	struct additive additive;
	struct world world;
	uint16_t digits[3];
	double shrunk;

	world_init(&world);
	for (uint64_t i = 0; i < 36; i++) {
		tell_effects(&world, i);
	}
	additive_init(&additive, &world.trials, objective_of);
	cr_expect_float_eq(additive.mean, 0.4225, 1e-12);
	/* bf16 and fp32 have one choice each. What makes them x apart is m + o, where
	 * m = 9 / 14 (x - o) and o = 9 / 39 (x - m). */
	shrunk = (9.0 / 14 * (1 - 9.0 / 39) + 9.0 / 39 * (1 - 9.0 / 14)) / (1 - 81.0 / 14 / 39);
	cr_expect_float_eq(additive_effect(&additive, 1, 3) - additive_effect(&additive, 1, 2),
			   0.2 * shrunk, 1e-6);
	/* The two of static differ by their own effects alone. */
	cr_expect_float_eq(additive_effect(&additive, 1, 1) - additive_effect(&additive, 1, 0),
			   0.05 * 9 / 39, 1e-6);
	cr_assert(product_digits(&world.trials.product, world.configs[0], digits));
	cr_expect_float_eq(additive_at(&additive, digits),
			   0.4225 + additive_effect(&additive, 0, 0) +
				   additive_effect(&additive, 1, 0) +
				   additive_effect(&additive, 2, 0),
			   1e-12);
	additive_finish(&additive);
	world_finish(&world);
}

/* An early verdict tells a margin and no objective. */
Test(tpe, what_was_stopped_early_says_nothing_of_the_objective)
{
	struct promise promise;
	struct world world;
	uint16_t digits[3];
	double margin, objective;

	world_init(&world);
	for (uint64_t i = 0; i < 36; i++) {
		effects_of(i, &margin, &objective);
		tell(&world.trials, world.configs, i, EVENT_TOLD, margin,
		     margin < 0 ? NAN : objective);
	}
	promise_init(&promise, &world.trials);
	for (uint64_t i = 0; i < 36; i++) {
		cr_assert(product_digits(&world.trials.product, world.configs[i], digits));
		cr_expect(isfinite(promise_of(&promise, digits)), "config %zu", (size_t)i);
	}
	cr_expect_lt(additive_effect(&promise.margins, 1, 0),
		     additive_effect(&promise.margins, 1, 3), "the margins of all are learnt from");
	promise_finish(&promise);
	world_finish(&world);
}

Test(tpe, effects_are_learnt_from_the_latest_measurements)
{
	enum { COUNT = ADDITIVE_TRIALS + 44 };
	struct space *space = large_space(10);
	struct config *configs[COUNT] = {NULL};
	struct additive additive;
	struct trials trials;

	trials_init(&trials, &(struct problem){.space = space, .objective = &no_objective}, true);
	for (uint64_t i = 0; i < COUNT; i++) {
		tell(&trials, configs, i, EVENT_TOLD, 1, i < 44 ? 1000 : 2);
		tell(&trials, configs, i, i == 100 ? EVENT_FAILED : EVENT_TOLD, 1,
		     i < 44 ? 1000 : 2);
	}
	additive_init(&additive, &trials, objective_of);
	cr_expect_float_eq(additive.mean, 2, 1e-9);
	cr_expect_float_eq(additive.spread, 0, 1e-9);
	additive_finish(&additive);
	trials_finish(&trials);
	for (size_t i = 0; i < COUNT; i++) {
		config_destroy(configs[i]);
	}
	space_destroy(space);
}

/* From wherever it starts, a climb ends at what promises as much or more. */
Test(tpe, climbs_to_what_promises_more)
{
	struct rng rng = rng_make(1, RNG_SEARCH, 0);
	struct promise promise;
	struct world world;
	uint16_t digits[3];
	size_t better = 0;

	world_init(&world);
	for (uint64_t i = 0; i < 36; i++) {
		tell_effects(&world, i);
	}
	promise_init(&promise, &world.trials);
	cr_expect_float_eq(promise.best, 0.3, 1e-12, "%g", promise.best);
	for (uint64_t i = 0; i < 36; i++) {
		double before;

		cr_assert(product_digits(&world.trials.product, world.configs[i], digits));
		before = promise_of(&promise, digits);
		promise_climb(&promise, digits, &rng);
		cr_expect_geq(promise_of(&promise, digits), before);
		better += promise_of(&promise, digits) > before;
	}
	cr_expect_gt(better, 18);
	promise_finish(&promise);
	world_finish(&world);
}

static void every_other(const uint16_t *choices, size_t count, struct search_result *ret)
{
	double objective = 0;

	for (size_t i = 0; i < count; i++) {
		objective += choices[i] != i % 4;
	}
	*ret = (struct search_result){.margin = 1, .objective = objective / (double)count};
}

static void expect_exhausted(const struct search_setting *settings, size_t expected)
{
	struct space *space = small_space();
	struct search search;

	search_init(&search, space, "tpe", 1, settings);
	search_run(&search, 100, every_other);
	cr_expect_eq(search.asked_count, expected, "%zu", search.asked_count);
	search_finish(&search);
	space_destroy(space);
}

/* All but the baseline, which is known; only the default mode with fallback off. */
Test(tpe, asks_everything_once_and_ends)
{
	static const struct search_setting independent[] = {
		{.name = "density", .text = "independent"}, {.name = NULL}};
	static const struct search_setting plain[] = {{.name = "fallback", .number = 0},
						      {.name = NULL}};
	static const struct search_setting inc[] = {{.name = "loss", .text = "inc"},
						    {.name = NULL}};

	expect_exhausted(NULL, 35);
	expect_exhausted(independent, 35);
	expect_exhausted(plain, 12);
	expect_exhausted(inc, 35);
}

Test(tpe, begins_with_the_default_and_a_few_draws)
{
	static const char *const stages[] = {"default",  "start-up", "start-up", "start-up",
					     "start-up", "start-up", "tpe"};
	struct space *space = large_space(10);
	size_t in_fp32[5] = {0};
	struct search search;

	search_init(&search, space, "tpe", 1, NULL);
	search_run(&search, 7, every_other);
	for (size_t i = 0; i < 7; i++) {
		cr_expect_str_eq(search.asked[i].stage, stages[i]);
	}
	for (size_t i = 1; i < 6; i++) {
		for (size_t op = 0; op < 10; op++) {
			uint16_t choice = config_choice(search.asked[i].config, op);

			cr_expect(choice == 0 || choice == 3, "neither the default nor fp32");
			in_fp32[i - 1] += choice == 3;
		}
	}
	/* Shares of the default: 1/2, 1/4, 3/4, 1/8, 5/8. */
	cr_expect_gt(in_fp32[1], in_fp32[2]);
	cr_expect_gt(in_fp32[3], in_fp32[4]);
	cr_expect_eq(search.asked[0].config->count, 0);
	search_finish(&search);
	space_destroy(space);
}

static double best_of(const char *strategy, const struct search_setting *settings, uint64_t seed)
{
	struct space *space = large_space(30);
	struct search search;
	double best;

	search_init(&search, space, strategy, seed, settings);
	search_run(&search, 120, every_other);
	best = search.best;
	search_finish(&search);
	space_destroy(space);
	return best;
}

/* Of 31 dimensions a uniform draw misses some 23; 120 draws never see fewer than 14. */
Test(tpe, learns)
{
	static const struct search_setting ratio[] = {{.name = "rank", .text = "ratio"},
						      {.name = NULL}};
	static const struct search_setting independent[] = {
		{.name = "density", .text = "independent"}, {.name = NULL}};

	for (uint64_t seed = 1; seed <= 3; seed++) {
		cr_expect_lt(best_of("tpe", NULL, seed), 13.0 / 31);
		cr_expect_lt(best_of("tpe", ratio, seed), 13.0 / 31);
		cr_expect_lt(best_of("tpe", independent, seed), 13.0 / 31);
	}
}

/* Five questions at once: each differs from those that are out. */
Test(tpe, asks_several_at_once)
{
	struct space *space = small_space();
	struct search search;

	search_init(&search, space, "tpe", 1, NULL);
	for (size_t round = 0; round < 5; round++) {
		for (size_t i = 0; i < 5; i++) {
			cr_assert(search_ask(&search));
		}
		for (size_t i = 0; i < 5; i++) {
			search_tell(&search, round * 5 + i + 1, every_other);
		}
	}
	search_finish(&search);
	space_destroy(space);
}

/* What was measured elsewhere is learnt from and not asked again. */
Test(tpe, learns_from_measurements_that_it_did_not_ask_for)
{
	struct space *space = small_space();
	struct config *known = config_from_changes(space, NULL, 0);
	const struct event told = {.type = EVENT_TOLD,
				   .kind = QUESTION_EVALUATE,
				   .trial = 1000,
				   .config = known,
				   .feasible = true,
				   .objective = 0.5};
	struct search search;

	search_init(&search, space, "tpe", 1, NULL);
	strategy_apply(&search.strategy, &told);
	search_run(&search, 100, every_other);
	cr_expect_eq(search.asked_count, 34);
	for (size_t i = 0; i < search.asked_count; i++) {
		cr_expect(!config_equal(search.asked[i].config, known));
	}
	search_finish(&search);
	config_destroy(known);
	space_destroy(space);
}
