/* Approaches lognormal beliefs by normal ones, weight by weight, in rounds of the whole model. */
#include "strategies/models/lognormal.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "strategies/models/memo.h"

enum { PARTS = 25, ROUNDS = 8 };

/* The parts cover the logarithm up to this many deviations. */
static const double reach = 3;
/* Of a part, relative to its distance to the next: so that together they are smooth. */
static const double width = 0.6;
/* Of the way to the prior that is asked for: all of it at once may swing from side to side. */
static const double stride = 0.5;
/* Where what is believed has a longer tail than what was measured, no prior is that wide. */
static const double least_precision = 1e-4;
/* A difference of precisions that may be a rounding error. */
static const double negligible = 1e-9;

/* A distribution of weights as a sum of normal ones. */
struct mixture {
	double shares[PARTS], means[PARTS], variances[PARTS];
	double logs[PARTS]; /* of the shares */
};

struct moments {
	double mean, variance;
};

static void make_lognormal(double variance, struct mixture *ret)
{
	double sigma = sqrt(log(1 + variance)), step = 2 * reach / (PARTS - 1);
	double shares = 0, sum = 0;

	for (int k = 0; k < PARTS; k++) {
		double z = k * step - reach;

		ret->shares[k] = exp(-0.5 * z * z);
		ret->logs[k] = log(ret->shares[k]);
		ret->means[k] = exp(sigma * z);
		shares += ret->shares[k];
		sum += ret->shares[k] * ret->means[k];
	}
	for (int k = 0; k < PARTS; k++) {
		double factor = ret->means[k] * shares / sum;
		double deviation = width * step * sigma * factor;

		ret->means[k] = factor - 1;
		ret->variances[k] = deviation * deviation;
	}
}

/*
 * Of the mixture times a normal likelihood, that of `mean` and `precision`; a precision of 0 says
 * nothing.
 */
static struct moments multiply(const struct mixture *mixture, double mean, double precision)
{
	double logs[PARTS], means[PARTS], variances[PARTS], best = -INFINITY;
	double sum = 0, first = 0, second = 0;

	for (int k = 0; k < PARTS; k++) {
		double variance = mixture->variances[k], away = mean - mixture->means[k];
		double wider = 1 + variance * precision;

		logs[k] = mixture->logs[k] - 0.5 * (away * away * precision / wider + log(wider));
		variances[k] = variance / wider;
		means[k] = (mixture->means[k] + variance * precision * mean) / wider;
		best = fmax(best, logs[k]);
	}
	for (int k = 0; k < PARTS; k++) {
		double share = exp(logs[k] - best);

		sum += share;
		first += share * means[k];
		second += share * (variances[k] + means[k] * means[k]);
	}
	first /= sum;
	return (struct moments){first, fmax(second / sum - first * first, 1e-8)};
}

/* What a step starts from: a weight, what is believed of it so far, and what measurements make of that. */
enum from { GROUP, FACTOR, MEAN, WEIGHT, DEVIATION, FROM };
enum to { NEW_MEAN, NEW_FACTOR, TO };

/* One step of one weight, from its posterior; both priors as precision and precision times mean. */
static void approach(const struct mixture *mixture, const double *from, double *to)
{
	double prior = 1 / (from[GROUP] * from[FACTOR]);
	double prior_shift = prior * from[MEAN];
	double posterior = 1 / (from[DEVIATION] * from[DEVIATION]);
	/* What was measured says by itself. */
	double precise = posterior - prior > negligible ? posterior - prior : 0;
	double mean = precise > 0 ? (posterior * from[WEIGHT] - prior_shift) / precise : 0;
	struct moments asked = multiply(mixture, mean, precise);
	double precision = fmax(1 / asked.variance - precise, least_precision);
	double shift = (precise + precision) * asked.mean - precise * mean;

	precision = prior + stride * (precision - prior);
	shift = prior_shift + stride * (shift - prior_shift);
	to[NEW_MEAN] = shift / precision;
	to[NEW_FACTOR] = 1 / (precision * from[GROUP]);
}

static void step(struct linear *model, uint32_t feature, const struct mixture *mixture,
		 double deviation, struct memo *memo)
{
	const double from[FROM] = {
		[GROUP] = model->variances[model->groups[feature]],
		[FACTOR] = model->factors[feature],
		[MEAN] = model->means[feature],
		[WEIGHT] = model->weights[feature],
		[DEVIATION] = deviation,
	};
	bool known;
	double *to = memo_answer(memo, from, &known);

	if (!known) {
		approach(mixture, from, to);
	}
	linear_believe(model, feature, to[NEW_MEAN], to[NEW_FACTOR]);
}

/*
 * Of each weight the first one of which the same is believed and that every measurement has as much of, so that what is
 * believed of them stays the same, to the last bit. No feature stands in a row twice.
 */
static uint32_t *find_alike(const struct linear *model, uint32_t first, size_t count)
{
	enum { BELIEVED = 2 };
	size_t n = model->row_count, cells = n + BELIEVED;
	double *columns = mem_new(count * cells, sizeof(*columns));
	uint32_t *alike = mem_new(count, sizeof(*alike));
	struct memo memo;

	for (size_t r = 0; r < n; r++) {
		const struct linear_row *row = &model->rows[r];

		for (size_t i = 0; i < row->count; i++) {
			if (row->features[i] >= first && row->features[i] - first < count) {
				columns[(row->features[i] - first) * cells + r] = row->values[i];
			}
		}
	}
	memo_init(&memo, count, cells, 1);
	for (size_t i = 0; i < count; i++) {
		double *column = &columns[i * cells], *same;
		bool known;

		column[n] = model->means[first + i];
		column[n + 1] = model->factors[first + i];
		same = memo_answer(&memo, column, &known);
		*same = known ? *same : (double)i;
		alike[i] = (uint32_t)*same;
	}
	memo_finish(&memo);
	free(columns);
	return alike;
}

/* A row of its own for each weight that is like none before it, `row` but for its feature. Their number. */
static size_t make_rows(uint32_t first, const uint32_t *alike, size_t count,
			const struct linear_row *row, uint32_t *features, struct linear_row *ret)
{
	size_t rows = 0;

	for (size_t i = 0; i < count; i++) {
		if (alike[i] == i) {
			features[rows] = first + (uint32_t)i;
			ret[rows] = *row;
			ret[rows].features = &features[rows];
			rows++;
		}
	}
	return rows;
}

void lognormal_believe(struct linear *model, uint32_t first, size_t count, double variance)
{
	struct linear_row *rows = mem_new(count, sizeof(*rows));
	uint32_t *features = mem_new(count, sizeof(*features));
	uint32_t *alike = find_alike(model, first, count);
	double one = 1;
	const struct linear_row row = {.values = &one, .count = 1, .capacity = 1};
	double *deviations = mem_new(count, sizeof(*deviations));
	size_t row_count = make_rows(first, alike, count, &row, features, rows);
	struct mixture mixture;
	struct memo memo;

	memo_init(&memo, row_count, FROM, TO);
	make_lognormal(variance, &mixture);
	for (int round = 0; round < ROUNDS; round++) {
		linear_fit(model);
		linear_deviations(model, rows, row_count, deviations);
		for (size_t i = 0; i < row_count; i++) {
			step(model, features[i], &mixture, deviations[i], &memo);
		}
		for (size_t i = 0; i < count; i++) {
			uint32_t as = first + alike[i];

			linear_believe(model, first + (uint32_t)i, model->means[as],
				       model->factors[as]);
		}
	}
	memo_finish(&memo);
	free(alike);
	free(features);
	free(rows);
	free(deviations);
}
