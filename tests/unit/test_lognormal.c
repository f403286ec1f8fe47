/* Lognormal beliefs against the same posterior computed by summing over a grid. */
#include <criterion/criterion.h>
#include <math.h>

#include "strategies/models/linear.h"
#include "strategies/models/lognormal.h"

enum { GRID = 1500 };

static const double variance = 3, noise = 0.3;

/* Of the factor at a place of the grid, even in its logarithm: its value and how believed it is. */
static double factor_at(int place, double *ret_belief)
{
	double sigma = sqrt(log(1 + variance));
	double z = 8.0 * place / (GRID - 1) - 4;

	*ret_belief = exp(-0.5 * z * z);
	return exp(sigma * z - 0.5 * sigma * sigma);
}

static void model_init(struct linear *model, size_t weights, double measured)
{
	struct linear_row row = {0};

	linear_init(model, weights);
	model->variances[0] = variance;
	model->noise = noise;
	for (uint32_t f = 0; f < weights; f++) {
		linear_row_add(&row, f, 1);
	}
	/* Weights are factors less 1. */
	linear_add(model, &row, measured - (double)weights, 0);
	lognormal_believe(model, 0, weights, variance);
	linear_fit(model);
}

static double deviation_of(struct linear *model, uint32_t feature)
{
	struct linear_row row = {0};
	double deviation;

	linear_row_add(&row, feature, 1);
	linear_deviations(model, &row, 1, &deviation);
	linear_row_finish(&row);
	return deviation;
}

static double likelihood(double sum, double measured)
{
	double away = (sum - measured) / noise;

	return exp(-0.5 * away * away);
}

Test(lognormal, one_factor)
{
	static const double measured[] = {0.2, 1, 4};

	for (size_t i = 0; i < sizeof(measured) / sizeof(measured[0]); i++) {
		double sum = 0, first = 0, second = 0, mean, belief;
		struct linear model;

		for (int k = 0; k < GRID; k++) {
			double factor = factor_at(k, &belief);
			double share = belief * likelihood(factor, measured[i]);

			sum += share;
			first += share * factor;
			second += share * factor * factor;
		}
		mean = first / sum;
		model_init(&model, 1, measured[i]);
		cr_expect_float_eq(model.weights[0] + 1, mean, 0.05 * mean,
				   "%g of %g: %g instead of %g", measured[i], noise,
				   model.weights[0] + 1, mean);
		cr_expect_float_eq(deviation_of(&model, 0), sqrt(second / sum - mean * mean),
				   0.1 * noise);
		linear_finish(&model);
	}
}

/* What is known of a sum: none of its parts can be much larger. */
Test(lognormal, two_factors_of_which_the_sum_was_measured)
{
	double sum = 0, first = 0, second = 0, mean, belief, other_belief;
	const double measured = 0.6;
	struct linear model;

	for (int k = 0; k < GRID; k++) {
		double factor = factor_at(k, &belief);

		for (int l = 0; l < GRID; l++) {
			double both = factor + factor_at(l, &other_belief);
			double share = belief * other_belief * likelihood(both, measured);

			sum += share;
			first += share * factor;
			second += share * factor * factor;
		}
	}
	mean = first / sum;
	model_init(&model, 2, measured);
	for (uint32_t f = 0; f < 2; f++) {
		cr_expect_float_eq(model.weights[f] + 1, mean, 0.05, "%g instead of %g",
				   model.weights[f] + 1, mean);
		cr_expect_float_eq(deviation_of(&model, f), sqrt(second / sum - mean * mean), 0.05,
				   "%g instead of %g", deviation_of(&model, f),
				   sqrt(second / sum - mean * mean));
	}
	linear_finish(&model);
}

/* Of what nothing was measured of the belief itself remains. */
Test(lognormal, an_unmeasured_factor)
{
	struct linear_row row = {0};
	struct linear model;

	linear_init(&model, 2);
	model.variances[0] = variance;
	model.noise = noise;
	linear_row_add(&row, 0, 1);
	linear_add(&model, &row, -0.9, 0);
	lognormal_believe(&model, 0, 2, variance);
	linear_fit(&model);
	cr_expect_float_eq(model.weights[1], 0, 1e-6);
	cr_expect_float_eq(deviation_of(&model, 1), sqrt(variance), 0.4);
	cr_expect_lt(deviation_of(&model, 0), 0.3);
	linear_finish(&model);
}
