/* What real networks are like and QP1 is not: one operator that ruins everything, and noise that a repeat tells
 * from none. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "search_kit.h"
#include "space_kit.h"

enum { OPS = 1000 };

static size_t killer;

static struct space *space_of(size_t count)
{
	struct kit_request request = {0};
	struct kit_op *ops = mem_new(count + 1, sizeof(*ops));
	char(*names)[16] = mem_new(count, sizeof(*names));
	struct space *space;
	struct err err;

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "op%zu", i);
		ops[i] =
			(struct kit_op){names[i], i % 3 == 0 ? "Conv2d" : "MatMul", "static; fp32"};
	}
	space = kit_space(ops, &request, &err);
	cr_assert_not_null(space, "%s", err.message);
	free(names);
	free(ops);
	return space;
}

static size_t in_high_precision(const uint16_t *choices)
{
	size_t count = 0;

	for (size_t i = 0; i < OPS; i++) {
		count += choices[i] != 0;
	}
	return count;
}

/* Each operator takes half of its time; all but one lose a fifth of what may be lost together. */
static void evaluate_killer(const uint16_t *choices, size_t count, struct search_result *ret)
{
	double lowered = (double)(OPS - in_high_precision(choices)) / OPS;

	(void)count;
	ret->margin = 1 - 0.2 * lowered - (choices[killer] == 0 ? 60 : 0);
	ret->objective = 1 - 0.5 * lowered;
}

/* The trial that met the criterion with so few operators in high precision; 0 without any. */
static size_t found_at(const char *strategy, uint64_t seed, size_t most, size_t trials)
{
	uint16_t *choices = mem_new(OPS + 1, sizeof(*choices));
	struct space *space = space_of(OPS);
	struct search search;
	size_t found = 0;

	killer = (size_t)(seed * 7919 % OPS);
	search_init(&search, space, strategy, seed, NULL);
	for (size_t i = 1; i <= trials && found == 0 && search_ask(&search); i++) {
		config_expand(search.asked[i - 1].config, space, choices);
		search_tell(&search, i, evaluate_killer);
		found = choices[killer] != 0 && in_high_precision(choices) <= most ? i : 0;
	}
	search_finish(&search);
	space_destroy(space);
	free(choices);
	return found;
}

static int by_value(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

Test(real, one_killer_among_a_thousand_operators_is_found)
{
	enum { SEEDS = 5 };
	static const char *const names[] = {"sgp", "bisect"};

	for (size_t s = 0; s < sizeof(names) / sizeof(names[0]); s++) {
		size_t at[SEEDS];

		for (uint64_t seed = 0; seed < SEEDS; seed++) {
			at[seed] = found_at(names[s], seed + 1, 3, 20);
			cr_expect_gt(at[seed], 0, "%s, seed %zu", names[s], (size_t)seed + 1);
		}
		qsort(at, SEEDS, sizeof(at[0]), by_value);
		cr_expect_leq(at[SEEDS / 2], 16, "%s: %zu", names[s], at[SEEDS / 2]);
	}
}

static double noise, least_loss = 0.13;

/* 12 operators of which each takes half of its time and loses 0.13; the last one more than may be
 * lost. */
static void evaluate_twelve(const uint16_t *choices, size_t count, struct search_result *ret)
{
	double lost = choices[11] == 0 ? 11 * least_loss : 0, lowered = 0;
	uint64_t hash = ret->repeat;
	struct rng rng;

	(void)count;
	for (size_t i = 0; i < 12; i++) {
		lowered += choices[i] == 0 ? 1 : 0;
		lost += choices[i] == 0 ? least_loss : 0;
		hash = rng_mix(hash + choices[i]);
	}
	rng = rng_make(hash, RNG_TIMING, 0);
	ret->margin = 1 - lost + noise * 3.4 * (rng_unit(&rng) - 0.5);
	ret->objective = 1 - lowered / 24;
}

static size_t count_stage(const struct search *search, const char *stage)
{
	size_t count = 0;

	for (size_t i = 0; i < search->asked_count; i++) {
		count += strcmp(search->asked[i].stage, stage) == 0;
	}
	return count;
}

Test(real, what_is_in_doubt_is_measured_again)
{
	struct space *space = space_of(12);

	for (int noisy = 0; noisy < 2; noisy++) {
		struct search search;

		noise = 0.4 * noisy;
		search_init(&search, space, "sgp", 1, NULL);
		search_run(&search, 40, evaluate_twelve);
		if (noisy) {
			cr_expect_geq(count_stage(&search, "repeat"), 4);
		} else {
			cr_expect_leq(count_stage(&search, "repeat"), 1,
				      "an exact repeat settles it");
			cr_expect_float_eq(search.best, 1 - 7 / 24.0, 1e-9, "%g", search.best);
		}
		search_finish(&search);
	}
	space_destroy(space);
}

/* The model alone is not believed that there is nothing more. */
Test(real, sgp_tests_its_model_before_it_ends)
{
	struct space *space = space_of(12);
	struct search search;

	noise = 0;
	least_loss = 0.01; /* the default is the best there is */
	search_init(&search, space, "sgp", 1, NULL);
	search_run(&search, 150, evaluate_twelve);
	cr_expect_lt(search.asked_count, 150, "it ends by itself");
	cr_expect_geq(count_stage(&search, "group_test"), 4);
	cr_expect_geq(count_stage(&search, "rival"), 4);
	search_finish(&search);
	space_destroy(space);
}

Test(real, what_is_through_goes_on_as_sgp)
{
	static const char *const names[] = {"bisect", "knapsack"};
	struct space *space = space_of(12);

	noise = 0;
	for (size_t s = 0; s < sizeof(names) / sizeof(names[0]); s++) {
		struct search search;

		search_init(&search, space, names[s], 1, NULL);
		search_run(&search, 40, evaluate_twelve);
		cr_expect_gt(count_stage(&search, "sgp"), 0, "%s", names[s]);
		cr_expect_float_eq(search.best, 1 - 7 / 24.0, 1e-9, "%s: %g", names[s],
				   search.best);
		search_finish(&search);
	}
	space_destroy(space);
}

/* Static int8 ruins the model and dynamic does not; or both do, and one type of operators is to blame. */
static bool dynamic_ruins;

static void evaluate_switches(const uint16_t *choices, size_t count, struct search_result *ret)
{
	double lowered = 0;
	bool ruined = false;

	for (size_t i = 0; i + 1 < count; i++) {
		lowered += choices[i] < 2 ? 1 : 0;
		ruined = ruined || (choices[i] == 0 && i % 3 != 0) ||
			 (choices[i] == 1 && dynamic_ruins && i % 3 != 0);
	}
	ret->margin = ruined ? -80 : 0.5;
	ret->objective = 1 - lowered / 24;
}

/* Who opens so: tpe knows other modes by itself, bayesian when it is told to. */
static const struct {
	const char *name;
	const struct search_setting settings[2];
} openers[] = {
	{"sgp", {{.name = NULL}}},
	{"tpe", {{.name = NULL}}},
	{"bayesian", {{.name = "fallback", .number = 1}, {.name = NULL}}},
};
enum { OPENERS = sizeof(openers) / sizeof(openers[0]) };

static struct space *space_of_types(const char *modes, const char *uniform)
{
	static const char *const types[] = {"Conv2d", "Add", "Relu"};
	struct kit_request request = {.approach = APPROACH_AUTO, .uniform = uniform};
	struct kit_op ops[13] = {0};
	char names[12][8];
	struct space *space;
	struct err err;

	for (size_t i = 0; i < 12; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "op%zu", i);
		ops[i] = (struct kit_op){names[i], types[i % 3], modes};
	}
	space = kit_space(ops, &request, &err);
	cr_assert_not_null(space, "%s", err.message);
	return space;
}

Test(real, those_that_learn_open_with_uniform_configs)
{
	struct space *space = space_of_types("static; dynamic; fp32", NULL);

	for (size_t o = 0; o < OPENERS; o++) {
		for (int ruins = 0; ruins < 2; ruins++) {
			struct search search;

			dynamic_ruins = ruins != 0;
			search_init(&search, space, openers[o].name, 1, openers[o].settings);
			search_run(&search, 6, evaluate_switches);
			cr_expect_geq(count_stage(&search, "opening"), ruins ? 3 : 1, "%s",
				      openers[o].name);
			cr_expect_leq(search.best, ruins ? 1 - 4 / 24.0 : 0.5 + 1e-9, "%s, %d: %g",
				      openers[o].name, ruins, search.best);
			search_finish(&search);
		}
	}
	space_destroy(space);
}

/* As with two calibrators: the first ruins the model, whoever uses it. The option follows the operators and the size. */
static void evaluate_option(const uint16_t *choices, size_t count, struct search_result *ret)
{
	double lowered = 0;

	for (size_t i = 0; i < 12; i++) {
		lowered += choices[i] == 0 ? 1 : 0;
	}
	ret->margin = lowered > 0 && choices[count - 1] == 0 ? -80 : 0.5;
	ret->objective = 1 - lowered / 24;
}

Test(real, they_open_with_each_option_for_all)
{
	struct space *space = space_of_types("static a.algorithm=kl,minmax; fp32", "a.algorithm");

	cr_assert_eq(space->uniform_count, 1);
	for (size_t o = 0; o < OPENERS; o++) {
		struct search search;

		search_init(&search, space, openers[o].name, 1, openers[o].settings);
		search_run(&search, 2, evaluate_option);
		cr_expect_float_eq(search.best, 0.5, 1e-9, "%s: %g", openers[o].name, search.best);
		search_finish(&search);
	}
	space_destroy(space);
}

/* A network of convolutions with some MatMuls, which alone can be dynamic: static int8 ruins it, dynamic does not. */
static void evaluate_few_dynamic(const uint16_t *choices, size_t count, struct search_result *ret)
{
	double lowered = 0;
	bool ruined = false;

	(void)count;
	for (size_t i = 0; i < 12; i++) {
		bool is_matmul = i % 3 == 1;

		ruined = ruined || choices[i] == 0;
		lowered += is_matmul && choices[i] == 1 ? 1 : 0;
	}
	ret->margin = ruined ? -80 : 0.5;
	ret->objective = 1 - lowered / 12;
}

Test(real, they_open_with_a_mode_that_few_operators_have)
{
	struct kit_request request = {.approach = APPROACH_AUTO};
	struct kit_op ops[13] = {0};
	char names[12][8];
	struct space *space;
	struct err err;

	for (size_t i = 0; i < 12; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "op%zu", i);
		ops[i] = i % 3 == 1 ? (struct kit_op){names[i], "MatMul", "static; dynamic; fp32"}
				    : (struct kit_op){names[i], "Conv", "static; fp32"};
	}
	space = kit_space(ops, &request, &err);
	cr_assert_not_null(space, "%s", err.message);
	for (size_t o = 0; o < OPENERS; o++) {
		struct search search;

		search_init(&search, space, openers[o].name, 1, openers[o].settings);
		search_run(&search, 3, evaluate_few_dynamic);
		cr_expect_float_eq(search.best, 1 - 4 / 12.0, 1e-9, "%s: %g", openers[o].name,
				   search.best);
		search_finish(&search);
	}
	space_destroy(space);
}
