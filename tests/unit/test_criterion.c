/*
 * strategies/interface/criterion and objective: which measurements are good enough, and which of two is
 * better.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "base/mem.h"
#include "strategies/interface/criterion.h"
#include "strategies/interface/objective.h"

static struct criterion one(bool relative, bool higher, double loss)
{
	return (struct criterion){
		.relative = relative,
		.metric_count = 1,
		.metrics = {{.higher_is_better = higher, .tolerable_loss = loss}},
	};
}

Test(criterion, bound_is_inclusive_in_both_directions)
{
	static const struct {
		bool relative, higher;
		double loss, baseline, bound, meets, misses;
	} cases[] = {
		{true, true, 0.01, 0.8, 0.792, 0.792, 0.7919},
		/* 0.8 * (1 - 0.1) is a little more than 0.72. */
		{true, true, 0.1, 0.8, 0.72, 0.72, 0.71999},
		{true, false, 0.1, 0.8, 0.88, 0.88, 0.8801},
		{false, true, 0.1, 0.8, 0.7, 0.7, 0.6999},
		{false, false, 0.1, 0.8, 0.9, 0.9, 0.9001},
		/* A baseline below zero is allowed to lose, too. */
		{true, true, 0.1, -1, -1.1, -1.1, -1.101},
		{true, false, 0.1, -1, -0.9, -0.9, -0.89},
		/* A negative loss asks for a gain. */
		{true, true, -0.1, 1, 1.1, 1.1, 1.09},
		{false, true, 0, 0, 0, 0, -1e-6},
		{false, true, 0, 1e6, 1e6, 1e6, 1e6 - 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct criterion c = one(cases[i].relative, cases[i].higher, cases[i].loss);
		struct err err;

		err_init(&err);
		cr_assert_eq(criterion_fix(&c, &cases[i].baseline, &err), 0, "%s", err.message);
		cr_expect_float_eq(c.bound[0], cases[i].bound, 1e-12, "case %zu", i);
		cr_expect(criterion_meets(&c, &cases[i].meets), "case %zu", i);
		cr_expect(!criterion_meets(&c, &cases[i].misses), "case %zu", i);
		cr_expect_float_eq(criterion_margin(&c, &cases[i].meets), 0, 1e-9, "case %zu", i);
		cr_expect_lt(criterion_margin(&c, &cases[i].misses), 0, "case %zu", i);
		cr_expect_gt(criterion_merit(&c, &cases[i].meets),
			     criterion_merit(&c, &cases[i].misses), "case %zu", i);
		cr_expect_float_eq(criterion_loss(&c, &cases[i].meets), cases[i].loss, 1e-9,
				   "case %zu", i);
	}
}

/* An error of 1e-10 that grows ninefold is no rounding. */
Test(criterion, tolerance_is_a_share_of_bound_and_baseline)
{
	for (int relative = 0; relative < 2; relative++) {
		struct criterion c = one(relative == 1, false, relative == 1 ? 0.01 : 1e-12);
		double baseline = 1e-10, inside = 1.01e-10 * (1 + 1e-10), outside = 1.011e-10;

		c.rules = 2;
		cr_assert_eq(criterion_fix(&c, &baseline, NULL), 0);
		cr_expect(criterion_meets(&c, &inside));
		cr_expect(!criterion_meets(&c, &outside));
		c.rules = 1;
		cr_expect(criterion_meets(&c, &outside), "as old jobs were judged");
	}
}

Test(criterion, what_is_too_large_for_a_number_misses)
{
	struct criterion c = one(true, false, 0.01);
	double baseline = 0.05, accuracy = 1e308, huge = 1.7e308;
	struct err err;

	c.rules = 2;
	cr_assert_eq(criterion_fix(&c, &baseline, NULL), 0);
	cr_expect(!criterion_meets(&c, &accuracy));
	cr_expect(isinf(criterion_loss(&c, &accuracy)));
	err_init(&err);
	c.metrics[0].tolerable_loss = 0.9;
	cr_expect_eq(criterion_fix(&c, &huge, &err), -ERR_INVALID_FIELD);
	cr_expect_gt(err.message[0], 0);
}

Test(criterion, nan_never_meets)
{
	struct criterion c = one(true, true, 0.01);
	double baseline = 1, accuracy = NAN;

	cr_assert_eq(criterion_fix(&c, &baseline, NULL), 0);
	cr_expect(!criterion_meets(&c, &accuracy));
}

Test(criterion, relative_loss_of_a_zero_baseline_means_nothing)
{
	struct criterion c = one(true, true, 0.01);
	double baseline = 0;
	struct err err;

	err_init(&err);
	cr_expect_eq(criterion_fix(&c, &baseline, &err), -ERR_INVALID_FIELD);
	cr_expect_gt(err.message[0], 0);
	cr_expect(!c.fixed);
	c.relative = false;
	cr_expect_eq(criterion_fix(&c, &baseline, &err), 0);
}

static struct criterion two(bool weighted)
{
	return (struct criterion){
		.weighted = weighted,
		.metric_count = 2,
		.metrics = {{.weight = 3, .higher_is_better = true, .tolerable_loss = 0.1},
			    {.weight = 1, .higher_is_better = weighted, .tolerable_loss = 0.2}},
	};
}

Test(criterion, weights_make_one_accuracy_of_several)
{
	const double baseline[] = {0.8, 0.4}; /* mean 0.7, bound 0.6 */
	struct criterion c = two(true);

	cr_assert_eq(criterion_fix(&c, baseline, NULL), 0);
	cr_expect_float_eq(c.bound[0], 0.6, 1e-12);
	cr_expect(criterion_meets(&c, (const double[]){0.8, 0.0}));
	cr_expect(!criterion_meets(&c, (const double[]){0.6, 0.5}));
	cr_expect_float_eq(criterion_merit(&c, (const double[]){0.6, 0.5}), 0.575, 1e-12);
}

Test(criterion, without_weights_each_accuracy_must_hold)
{
	const double baseline[] = {0.8, 2.0}; /* bounds 0.7 and, lower being better, 2.2 */
	struct criterion c = two(false);

	cr_assert_eq(criterion_fix(&c, baseline, NULL), 0);
	cr_expect(criterion_meets(&c, (const double[]){0.7, 2.2}));
	cr_expect(!criterion_meets(&c, (const double[]){0.9, 2.3}));
	cr_expect(!criterion_meets(&c, (const double[]){0.6, 1.0}));
	/* The smallest margin counts: half of the first tolerance is left. */
	cr_expect_float_eq(criterion_merit(&c, (const double[]){0.75, 1.0}), 0.5, 1e-9);
	cr_expect_float_eq(criterion_margin(&c, (const double[]){0.9, 2.3}), -0.5, 1e-9);
	cr_expect_float_eq(criterion_loss(&c, (const double[]){0.75, 2.3}), 0.3, 1e-9);
}

Test(objective, one_metric_is_itself)
{
	struct objective o = {.count = 1, .metrics = {{.weight = 1}}};
	double value = 5, baseline = 10;

	cr_expect_eq(objective_value(&o, &value, &baseline), 5);
	cr_expect_eq(objective_speedup(&o, &value, &baseline), 2);
	cr_expect_eq(objective_ratio(&o, 5, 10), 2);
	cr_expect(isnan(objective_ratio(&o, 0, 10)));
	o.metrics[0].higher_is_better = true;
	cr_expect_eq(objective_value(&o, &value, &baseline), -5);
	cr_expect_eq(objective_ratio(&o, -20, -10), 2);
}

/* {direction, baseline, value, gain, speedup}; NAN: it means nothing. */
Test(objective, gain_has_the_sign_of_better)
{
	static const struct {
		bool higher;
		double baseline, value, gain, speedup;
	} cases[] = {
		{false, 10, 5, 0.5, 2},    {false, 10, 20, -1, 0.5},
		{true, 10, 5, -0.5, NAN},  {true, 10, 20, 1, NAN},
		{false, -5, -10, 1, NAN},  {false, -10, -5, -0.5, NAN},
		{false, 5, -5, 2, NAN},    {true, -5, -2, 0.6, NAN},
		{true, -2, -5, -1.5, NAN}, {true, -5, 5, 2, NAN},
		{false, 0, -1, NAN, NAN},  {true, 0, 1, NAN, NAN},
		{false, 10, 0, NAN, NAN},  {false, 1e-10, 1e300, NAN, 1e-310},
	};
	struct objective o = {.rules = 2, .count = 1, .metrics = {{.name = "x", .weight = 9}}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double gain, speedup;

		o.metrics[0].higher_is_better = cases[i].higher;
		gain = objective_gain(&o, &cases[i].value, &cases[i].baseline);
		speedup = objective_speedup(&o, &cases[i].value, &cases[i].baseline);
		cr_expect(isnan(cases[i].gain) ? isnan(gain) : fabs(gain - cases[i].gain) < 1e-12,
			  "%zu: a gain of %g", i, gain);
		cr_expect(isnan(cases[i].speedup) ? isnan(speedup)
						  : fabs(speedup - cases[i].speedup) < 1e-12,
			  "%zu: a speed-up of %g", i, speedup);
	}
	cr_expect(objective_gains((10 - 9.8) / 10, 0.02), "rounding is no loss");
	cr_expect(!objective_gains(0.0199, 0.02));
}

Test(objective, accuracy_alone_is_no_gain)
{
	struct objective o = {.rules = 2, .count = 1, .metrics = {{.name = "accuracy"}}};
	const double value = 0.8, baseline = 0.7;

	cr_expect(isnan(objective_gain(&o, &value, &baseline)));
}

Test(objective, gains_are_weighed_and_summed)
{
	struct objective o = {.rules = 2,
			      .count = 2,
			      .metrics = {{.name = "x", .weight = 0.8},
					  {.name = "y", .weight = 0.2, .higher_is_better = true}}};
	const double baseline[] = {-100, 10}, zero[] = {0, 10};

	cr_expect_float_eq(objective_gain(&o, (const double[]){-180, 15}, baseline), 0.74, 1e-12);
	cr_expect(isnan(objective_gain(&o, (const double[]){-180, 15}, zero)));
	cr_expect_float_eq(objective_value(&o, baseline, baseline), 1, 1e-12);
	cr_expect_float_eq(objective_value(&o, (const double[]){-180, 15}, baseline), 0.26, 1e-12);
	/* There is no share of 0 to gain, so what counts is the difference. */
	cr_expect_lt(objective_value(&o, (const double[]){-2, 10}, zero),
		     objective_value(&o, (const double[]){-1, 10}, zero));
	cr_expect(isfinite(objective_value(&o, (const double[]){1e308, -1e308}, baseline)));
}

/* What strategies take for a speed-up and for a share of the baseline has an order, too. */
Test(objective, strategies_are_told_what_is_better)
{
	static const double better_first[] = {-1000, -12, -10, -8, -0.001, 0, 0.001, 8, 9.5, 1000};
	static const double baselines[] = {-10, 0, 10};

	for (int higher = 0; higher < 2; higher++) {
		struct objective o = {.rules = 2,
				      .count = 1,
				      .metrics = {{.name = "x", .higher_is_better = higher == 1}}};

		for (size_t b = 0; b < 3; b++) {
			double base = baselines[b];

			cr_expect_float_eq(objective_relative(&o, base, base), 1, 1e-12);
			cr_expect_float_eq(objective_ratio(&o, base, base), 1, 1e-12);
			for (size_t i = 0; i + 1 < 10; i++) {
				double x = better_first[i], y = better_first[i + 1];

				cr_expect_lt(objective_relative(&o, x, base),
					     objective_relative(&o, y, base));
				cr_expect(objective_ratio(&o, x, base) >
						  objective_ratio(&o, y, base),
					  "higher %d, baseline %g: %g and %g", higher, base, x, y);
			}
		}
	}
}

Test(objective, several_are_a_weighted_mean_of_ratios)
{
	struct objective o = {.count = 2,
			      .metrics = {{.weight = 3}, {.weight = 1, .higher_is_better = true}}};
	const double baseline[] = {10, 2};

	cr_expect_float_eq(objective_value(&o, baseline, baseline), 1, 1e-12);
	cr_expect_float_eq(objective_value(&o, (const double[]){5, 4}, baseline), 0.5, 1e-12);
	cr_expect_float_eq(objective_value(&o, (const double[]){20, 2}, baseline), 1.75, 1e-12);
	cr_expect(isfinite(objective_value(&o, (const double[]){0, 0}, baseline)));
}

/* Each candidate is better than the next one. */
Test(objective, candidates_have_an_order)
{
	static const struct candidate best_first[] = {
		{.feasible = true, .objective = 1, .merit = 0.5, .fallbacks = 9, .number = 9},
		{.feasible = true, .objective = 2, .merit = 0.9, .fallbacks = 9, .number = 8},
		/* Within a thousandth the objective says nothing. */
		{.feasible = true, .objective = 1.999, .merit = 0.8, .fallbacks = 0, .number = 4},
		{.feasible = true, .objective = 2, .merit = 0.8, .fallbacks = 1, .number = 2},
		{.feasible = true, .objective = 2.001, .merit = 0.8, .fallbacks = 1, .number = 3},
		{.margin = -0.1, .objective = 9, .number = 7},
		{.margin = -0.2, .objective = 1, .number = 5},
		{.margin = -0.2, .objective = 1, .number = 6},
	};
	size_t count = sizeof(best_first) / sizeof(best_first[0]);

	for (size_t i = 0; i + 1 < count; i++) {
		cr_expect(candidate_better(&best_first[i], &best_first[i + 1]), "%zu", i);
		cr_expect(!candidate_better(&best_first[i + 1], &best_first[i]), "%zu", i);
	}
}
