/* Draws of what operators may lose: as probable as they should be, and in keeping with what was measured. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "space_kit.h"
#include "strategies/models/draws.h"

enum { OPS = 6, FP32 = 1 };

static const struct kit_op ops[] = {
	{"a", "t", "static; fp32"}, {"b", "t", "static; fp32"}, {"c", "t", "static; fp32"},
	{"d", "t", "static; fp32"}, {"e", "t", "static; fp32"}, {"f", "t", "static; fp32"},
	{NULL, NULL, NULL},
};

static const uint16_t all[OPS] = {0}, nothing[OPS] = {FP32, FP32, FP32, FP32, FP32, FP32},
		      first_half[OPS] = {0, 0, 0, FP32, FP32, FP32};

struct world {
	struct space *space;
	struct objective objective;
	struct problem problem;
	struct effects effects;
	struct linear loss;
	struct draws draws;
};

static void world_init_by(struct world *world, int64_t rules)
{
	static const char *const answers[] = {"evaluate", NULL};
	struct kit_request request = {0};
	struct err err;

	*world = (struct world){.space = kit_space(ops, &request, &err)};
	cr_assert_not_null(world->space);
	world->objective.count = 1;
	world->objective.rules = rules;
	world->problem = (struct problem){
		.space = world->space, .objective = &world->objective, .answers = answers};
	effects_init(&world->effects, &world->problem);
	effects_expect(&world->effects, 1, 1);
	loss_model_init(&world->loss, &world->effects);
	draws_init(&world->draws, &world->effects);
}

static void world_init(struct world *world)
{
	world_init_by(world, 1);
}

static void world_finish(struct world *world)
{
	draws_finish(&world->draws);
	linear_finish(&world->loss);
	effects_finish(&world->effects);
	space_destroy(world->space);
}

/* Goes on after each of the measurements. */
static void measure(struct world *world, const uint16_t *const *selections, const double *losses,
		    size_t count)
{
	enum { MOST = 8 };
	uint16_t options[MOST][OPS], *list[MOST];

	for (size_t i = 0; i < count; i++) {
		struct measured data = {list, losses, i + 1};

		memcpy(options[i], selections[i], sizeof(options[i]));
		list[i] = options[i];
		loss_model_fit(&world->loss, &world->effects, &data, false, NULL);
		draws_update(&world->draws, &world->loss, &data, rng_make(1, RNG_BELIEF, i));
	}
}

static void losses_of(const struct world *world, const uint16_t *options, double *ret)
{
	memset(ret, 0, DRAWS * sizeof(*ret));
	draws_move(&world->draws, NULL, options, ret);
}

/* How many factors, of all operators in all draws, are more than this. */
static int count_factors(const struct draws *draws, double more_than)
{
	int count = 0;

	for (size_t k = 0; k < (size_t)OPS * DRAWS; k++) {
		count += draws->factors[k] > more_than;
	}
	return count;
}

/*
 * A measurement of nothing quantized says nothing, so that walks stay with the power law: a factor of
 * more than x^1.5 times the least has a probability of 1 / x. A kind of step that is taken too often or too
 * rarely would drive them off.
 */
Test(draws, follow_the_power_law_when_nothing_is_known)
{
	enum { UPDATES = 30, MORE = 3 };
	static const double exceeded[MORE] = {2, 4, 8};
	const double least = 1 / (2.612 * sqrt(OPS)), no_losses[1] = {0};
	uint16_t options[OPS], *list[] = {options};
	struct measured data = {list, no_losses, 1};
	double counts[MORE] = {0};
	struct world world;

	world_init(&world);
	memcpy(options, nothing, sizeof(options));
	loss_model_fit(&world.loss, &world.effects, &data, false, NULL);
	for (uint64_t u = 0; u < UPDATES; u++) {
		draws_update(&world.draws, &world.loss, &data, rng_make(1, RNG_BELIEF, u));
		cr_assert_eq(count_factors(&world.draws, least * (1 - 1e-9)), OPS * DRAWS);
		for (int i = 0; i < MORE; i++) {
			counts[i] += count_factors(&world.draws, least * pow(exceeded[i], 1.5));
		}
	}
	for (int i = 0; i < MORE; i++) {
		cr_expect_float_eq(counts[i] / (UPDATES * OPS * DRAWS), 1 / exceeded[i], 0.015,
				   "%g factors of %d are more than the least times %g^1.5",
				   counts[i], UPDATES * OPS * DRAWS, exceeded[i]);
	}
	world_finish(&world);
}

Test(draws, explain_what_was_measured)
{
	const uint16_t *selections[] = {nothing, all, first_half};
	static const double measured[] = {0, 2, 1.6};
	struct world world;
	double losses[DRAWS];

	world_init(&world);
	measure(&world, selections, measured, 3);
	for (int m = 0; m < 3; m++) {
		double sum = 0;

		losses_of(&world, selections[m], losses);
		for (int k = 0; k < DRAWS; k++) {
			sum += losses[k];
			cr_expect_float_eq(losses[k], measured[m], 0.45 * measured[m] + 1e-9);
		}
		cr_expect_float_eq(sum / DRAWS, measured[m], 0.1 * measured[m] + 1e-9);
	}
	world_finish(&world);
}

/* One belief with one hump would have each of them lose half. */
Test(draws, suspect_one_operator_or_another)
{
	static const uint16_t pair[OPS] = {0, 0, FP32, FP32, FP32, FP32},
			      one[OPS] = {0, FP32, FP32, FP32, FP32, FP32};
	const uint16_t *selections[] = {nothing, pair};
	struct world world;
	double losses[DRAWS], measured[2] = {0};
	int low = 0, between = 0, high = 0;

	world_init(&world);
	measured[1] = 8 * effects_loss(&world.effects, pair);
	measure(&world, selections, measured, 2);
	losses_of(&world, one, losses);
	for (int k = 0; k < DRAWS; k++) {
		low += losses[k] < 0.3 * measured[1];
		high += losses[k] > 0.7 * measured[1];
	}
	between = DRAWS - low - high;
	cr_expect(low > DRAWS / 4 && high > DRAWS / 4 && between < DRAWS / 5,
		  "%d draws acquit it, %d convict it, %d do neither", low, high, between);
	world_finish(&world);
}

Test(draws, moves_add_up)
{
	const uint16_t *selections[] = {nothing, all};
	static const double measured[] = {0, 2};
	double direct[DRAWS], moved[DRAWS], options[2 * OPS], sum = 0;
	struct world world;

	world_init(&world);
	measure(&world, selections, measured, 2);
	losses_of(&world, first_half, direct);
	losses_of(&world, all, moved);
	draws_move(&world.draws, all, first_half, moved);
	for (int k = 0; k < DRAWS; k++) {
		cr_expect_float_eq(moved[k], direct[k], 1e-12);
		sum += direct[k];
	}
	draws_mean(&world.draws, options);
	cr_expect_float_eq(options[0] + options[2] + options[4], sum / DRAWS, 1e-9);
	cr_expect_eq(options[FP32], 0);
	world_finish(&world);
}

Test(draws, probability_is_that_of_losing_no_more_than_may_be)
{
	double losses[DRAWS];
	struct world world;

	world_init(&world);
	for (int k = 0; k < DRAWS; k++) {
		losses[k] = 0.5;
	}
	cr_expect_gt(draws_probability(&world.draws, losses, 1), 0.999);
	for (int k = 0; k < DRAWS / 2; k++) {
		losses[k] = 3;
	}
	cr_expect_float_eq(draws_probability(&world.draws, losses, 1), 0.5, 0.001);
	for (int k = 0; k < DRAWS; k++) {
		losses[k] = 1;
	}
	cr_expect_float_eq(draws_probability(&world.draws, losses, 1), 0.5, 1e-9);
	world_finish(&world);
}

/* A restart applies the same events again and must go on as it would have. */
Test(draws, are_the_same_after_the_same_measurements)
{
	const uint16_t *selections[] = {nothing, all, first_half};
	static const double measured[] = {0, 2, 1.6};
	struct world a, b;

	world_init(&a);
	world_init(&b);
	measure(&a, selections, measured, 3);
	measure(&b, selections, measured, 3);
	cr_expect_arr_eq(a.draws.factors, b.draws.factors, sizeof(double) * OPS * DRAWS);
	world_finish(&a);
	world_finish(&b);
}

/* Of the second rules: how probable it is that what a selection loses is at most this. */
static double probability(const struct world *world, const uint16_t *options, double most)
{
	double losses[DRAWS];
	int count = 0;

	losses_of(world, options, losses);
	for (int k = 0; k < DRAWS; k++) {
		count += losses[k] <= most;
	}
	return (double)count / DRAWS;
}

Test(draws, believe_that_one_operator_ruins_all)
{
	static const uint16_t last_but_one[OPS] = {0, 0, 0, 0, FP32, 0};
	const uint16_t *selections[] = {nothing, all, first_half};
	static const double measured[] = {0, 180, 0.02};
	struct world world;
	double found;

	world_init_by(&world, 2);
	measure(&world, selections, measured, 3);
	found = probability(&world, last_but_one, 0.5);
	cr_expect(found > 0.15 && found < 0.5, "one of three does, and it is this one: %g", found);
	cr_expect_gt(probability(&world, first_half, 0.2), 0.9);
	cr_expect_lt(probability(&world, all, 15), 0.1);
	world_finish(&world);
}

/* Ruined together, and ruined by either alone: such losses do not add up. */
Test(draws, take_what_is_ruined_for_no_sum)
{
	static const uint16_t without_a[OPS] = {FP32, 0, 0, 0, 0, 0},
			      without_b[OPS] = {0, FP32, 0, 0, 0, 0},
			      without_both[OPS] = {FP32, FP32, 0, 0, 0, 0};
	const uint16_t *selections[] = {nothing, all, without_a, without_b, without_both};
	static const double measured[] = {0, 184, 76, 76, 0.03};
	struct world world;

	world_init_by(&world, 2);
	measure(&world, selections, measured, 5);
	cr_expect_gt(probability(&world, without_both, 0.2), 0.9);
	cr_expect_lt(probability(&world, without_a, 15), 0.1);
	cr_expect_lt(probability(&world, without_b, 15), 0.1);
	world_finish(&world);
}

Test(draws, believe_that_all_lose_the_same)
{
	static const uint16_t a_b[OPS] = {0, 0, FP32, FP32, FP32, FP32},
			      c_d[OPS] = {FP32, FP32, 0, 0, FP32, FP32},
			      e_f[OPS] = {FP32, FP32, FP32, FP32, 0, 0},
			      a_d[OPS] = {0, FP32, FP32, 0, FP32, FP32},
			      b_e[OPS] = {FP32, 0, FP32, FP32, 0, FP32},
			      one[OPS] = {FP32, FP32, 0, FP32, FP32, FP32};
	const uint16_t *selections[] = {nothing, all, a_b, c_d, e_f, a_d, b_e};
	static const double measured[] = {0, 6, 2, 2, 2, 2, 2};
	struct world world;
	double sum = 0;

	world_init_by(&world, 2);
	measure(&world, selections, measured, 7);
	cr_expect_gt(probability(&world, one, 1.6) - probability(&world, one, 0.6), 0.6);
	for (int k = 0; k < DRAWS; k++) {
		sum += world.draws.exponents[k] / DRAWS;
	}
	cr_expect_gt(sum, 0.85, "the exponent is %g on average", sum);
	world_finish(&world);
}
