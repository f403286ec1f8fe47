/*
 * strategies/criterion and objective: which measurements are good enough, and which of two is
 * better.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "base/mem.h"
#include "strategies/criterion.h"
#include "strategies/objective.h"

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
	cr_expect_eq(objective_speedup(&o, 5, 10), 2);
	cr_expect(isnan(objective_speedup(&o, 0, 10)));
	o.metrics[0].higher_is_better = true;
	cr_expect_eq(objective_value(&o, &value, &baseline), -5);
	cr_expect_eq(objective_speedup(&o, -20, -10), 2);
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
