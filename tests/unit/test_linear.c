/* The linear model against the same posterior computed the other way round, by normal equations. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "strategies/models/linalg.h"
#include "strategies/models/linear.h"

enum { FEATURES = 4, ROWS = 7 };

static double value_of(size_t row, size_t feature)
{
	return (row * 7 + feature * 5) % 4 == 0 ? 0 : 0.3 * (double)((row * 3 + feature) % 5) - 0.4;
}

static struct linear_row make_row(size_t row)
{
	struct linear_row result = {0};

	for (uint32_t f = 0; f < FEATURES; f++) {
		if (value_of(row, f) != 0) {
			linear_row_add(&result, f, value_of(row, f));
		}
	}
	return result;
}

static void make_empty(struct linear *model)
{
	linear_init(model, FEATURES);
	model->groups[1] = 1;
	model->groups[3] = 2;
	model->variances[0] = 0.5;
	model->variances[1] = 2;
	model->variances[2] = 0.1;
	model->noise = 0.2;
	model->proportional = 0.1;
}

static void make_model(struct linear *model)
{
	make_empty(model);
	for (size_t r = 0; r < ROWS; r++) {
		struct linear_row row = make_row(r);

		linear_add(model, &row, sin((double)r), (double)r);
	}
	linear_fit(model);
}

/* Precision of the posterior: sum of x x^T / noise + diag(1 / variances); its factor. */
static void expect(const struct linear *model, double *factor, double *mean)
{
	memset(factor, 0, FEATURES * FEATURES * sizeof(*factor));
	memset(mean, 0, FEATURES * sizeof(*mean));
	for (size_t f = 0; f < FEATURES; f++) {
		factor[f * FEATURES + f] = 1 / model->variances[model->groups[f]];
	}
	for (size_t r = 0; r < ROWS; r++) {
		double noise = 0.04 + 0.01 * (double)(r * r) + 1e-9;

		for (size_t f = 0; f < FEATURES; f++) {
			mean[f] += value_of(r, f) * sin((double)r) / noise;
			for (size_t g = 0; g <= f; g++) {
				factor[f * FEATURES + g] += value_of(r, f) * value_of(r, g) / noise;
			}
		}
	}
	cr_assert(linalg_factor(factor, FEATURES, FEATURES));
	linalg_solve(factor, FEATURES, FEATURES, mean);
}

Test(linear, is_the_posterior)
{
	double factor[FEATURES * FEATURES], mean[FEATURES], scratch[FEATURES] = {0};
	struct linear model;

	make_model(&model);
	expect(&model, factor, mean);
	for (size_t f = 0; f < FEATURES; f++) {
		cr_expect_float_eq(model.weights[f], mean[f], 1e-6);
	}
	for (size_t r = 0; r < 20; r++) {
		struct linear_row row = make_row(r);
		double x[FEATURES], expected = 0;

		for (size_t f = 0; f < FEATURES; f++) {
			x[f] = value_of(r, f);
			expected += x[f] * mean[f];
		}
		linalg_forward(factor, FEATURES, FEATURES, x);
		cr_expect_float_eq(linear_mean(&model, &row), expected, 1e-6);
		cr_expect_float_eq(linear_deviation(&model, &row, scratch),
				   sqrt(linalg_dot(x, x, FEATURES)), 1e-4);
		linear_row_finish(&row);
	}
	for (size_t f = 0; f < FEATURES; f++) {
		cr_expect_eq(scratch[f], 0);
	}
	linear_finish(&model);
}

/* Many at once, more than a block, are what they are one by one. */
Test(linear, deviations_at_once)
{
	enum { MANY = 1100 };
	double scratch[FEATURES] = {0}, deviations[MANY];
	struct linear_row rows[MANY];
	struct linear model;

	make_model(&model);
	for (size_t r = 0; r < MANY; r++) {
		rows[r] = make_row(r);
	}
	linear_deviations(&model, rows, MANY, deviations);
	for (size_t r = 0; r < MANY; r++) {
		cr_expect_float_eq(deviations[r], linear_deviation(&model, &rows[r], scratch),
				   1e-9);
		linear_row_finish(&rows[r]);
	}
	linear_finish(&model);
}

/* Draws have the posterior's mean and spread. */
Test(linear, samples)
{
	enum { DRAWS = 4000 };
	double scratch[FEATURES] = {0}, sum = 0, squares = 0;
	struct linear_row row = make_row(9);
	struct rng rng = rng_make(1, RNG_SEARCH, 0);
	struct linear model;
	double mean, deviation;

	make_model(&model);
	for (int i = 0; i < DRAWS; i++) {
		double weights[FEATURES], value = 0;

		linear_sample(&model, &rng, weights);
		for (size_t k = 0; k < row.count; k++) {
			value += row.values[k] * weights[row.features[k]];
		}
		sum += value;
		squares += value * value;
	}
	mean = linear_mean(&model, &row);
	deviation = linear_deviation(&model, &row, scratch);
	cr_expect_float_eq(sum / DRAWS, mean, 4 * deviation / sqrt(DRAWS));
	cr_expect_float_eq(sqrt(squares / DRAWS - sum / DRAWS * sum / DRAWS), deviation,
			   0.06 * deviation);
	linear_row_finish(&row);
	linear_finish(&model);
}

/* Data of little noise are likelier under little noise. */
Test(linear, evidence)
{
	double evidence[2];

	for (int i = 0; i < 2; i++) {
		struct linear model;

		linear_init(&model, FEATURES);
		model.variances[0] = 1;
		model.noise = i == 0 ? 0.01 : 0.5;
		for (size_t r = 0; r < ROWS; r++) {
			struct linear_row row = make_row(r);
			double value = 0;

			for (size_t f = 0; f < FEATURES; f++) {
				value += value_of(r, f);
			}
			linear_add(&model, &row, value, 0);
		}
		linear_fit(&model);
		evidence[i] = linear_evidence(&model);
		linear_finish(&model);
	}
	cr_expect_gt(evidence[0], evidence[1] + 3);
}

static void load(struct linear *model, size_t first, size_t end)
{
	linear_clear(model);
	for (size_t r = first; r < end; r++) {
		struct linear_row row = make_row(r);

		linear_add(model, &row, sin((double)r), (double)r);
	}
	linear_fit(model);
}

static void expect_same(const struct linear *model, size_t first, size_t end, double factor)
{
	struct linear other;

	make_empty(&other);
	linear_believe(&other, 1, 0, factor);
	load(&other, first, end);
	cr_expect_eq(linear_evidence(model), linear_evidence(&other));
	cr_expect_arr_eq(model->weights, other.weights, FEATURES * sizeof(*other.weights));
	linear_finish(&other);
}

/* To the last bit: what rows are added again, in front of others or behind, and what is believed meanwhile. */
Test(linear, what_was_computed_before_changes_nothing)
{
	struct linear model;

	make_empty(&model);
	for (size_t end = 1; end <= ROWS; end++) {
		load(&model, 0, end);
		expect_same(&model, 0, end, 1);
	}
	load(&model, 2, ROWS);
	expect_same(&model, 2, ROWS, 1);
	load(&model, 0, ROWS);
	expect_same(&model, 0, ROWS, 1);
	load(&model, 0, ROWS - 1);
	linear_believe(&model, 1, 0, 3);
	load(&model, 0, ROWS);
	expect_same(&model, 0, ROWS, 3);
	linear_believe(&model, 1, 0, 0.5);
	linear_fit(&model);
	expect_same(&model, 0, ROWS, 0.5);
	linear_finish(&model);
}
