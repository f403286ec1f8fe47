/* Sums kernels into densities of configs, and draws from them. */
#include "strategies/models/parzen.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The deviation of the ordered kernel, as a share of the range: Optuna's for joint densities. */
static const double ordered_deviation = 0.2;

static int by_choices(const void *a, const void *b, void *arg)
{
	const struct product *product = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int p = product->choices[x], q = product->choices[y];

	return p != q ? p - q : (x > y) - (x < y);
}

static double log_miss(const struct parzen *parzen, uint16_t choices)
{
	return log(parzen->bandwidth / (choices - 1));
}

/* What a match adds to the log density. */
static double log_gain(const struct parzen *parzen, uint16_t choices)
{
	return log(1 - parzen->bandwidth) - log_miss(parzen, choices);
}

static double *ordered_density(const struct parzen *parzen, uint16_t choices)
{
	const double *places = parzen->trials->sizes;
	double *density = mem_new((size_t)choices * choices, sizeof(*density));

	for (uint16_t a = 0; a < choices; a++) {
		double *row = density + (size_t)a * choices;
		double sum = 0;

		for (uint16_t b = 0; b < choices; b++) {
			double z = (places[a] - places[b]) / ordered_deviation;

			row[b] = exp(-0.5 * z * z);
			sum += row[b];
		}
		for (uint16_t b = 0; b < choices; b++) {
			row[b] = (1 - parzen->bandwidth) * row[b] / sum +
				 parzen->bandwidth / choices;
		}
	}
	return density;
}

void parzen_init(struct parzen *parzen, const struct trials *trials, double bandwidth)
{
	const struct product *product = &trials->product;

	memset(parzen, 0, sizeof(*parzen));
	parzen->trials = trials;
	parzen->bandwidth = bandwidth;
	parzen->order = mem_new(product->dimension_count, sizeof(*parzen->order));
	parzen->ordered = -1;
	for (size_t d = 0; d < product->dimension_count; d++) {
		parzen->prior -= log(product->choices[d]);
		if (trials_ordered(trials, d)) {
			parzen->ordered = (int)d;
			parzen->density = ordered_density(parzen, product->choices[d]);
		} else {
			parzen->base += log_miss(parzen, product->choices[d]);
			parzen->order[parzen->order_count++] = (uint32_t)d;
		}
	}
	qsort_r(parzen->order, parzen->order_count, sizeof(*parzen->order), by_choices,
		(void *)product);
}

void parzen_finish(struct parzen *parzen)
{
	free(parzen->order);
	free(parzen->density);
}

double parzen_of_digit(const struct parzen *parzen, size_t digit, uint16_t a, uint16_t b)
{
	uint16_t choices = parzen->trials->product.choices[digit];

	if ((int)digit == parzen->ordered) {
		return parzen->density[(size_t)a * choices + b];
	}
	return a == b ? 1 - parzen->bandwidth : parzen->bandwidth / (choices - 1);
}

/* Blocks of a fixed length are what compilers turn into vector instructions. */
static void count_matches(const uint16_t *column, uint16_t digit, size_t count, uint16_t *matches)
{
	for (size_t i = 0; i < count; i += TRIALS_BLOCK) {
		for (size_t k = 0; k < TRIALS_BLOCK; k++) {
			matches[i + k] += column[i + k] == digit;
		}
	}
}

static void add_matches(const uint16_t *matches, float gain, size_t count, float *sums)
{
	for (size_t i = 0; i < count; i++) {
		sums[i] += gain * (float)matches[i];
	}
}

static void add_ordered(const struct parzen *parzen, const uint16_t *digits, size_t first,
			size_t count, float *sums)
{
	size_t digit = (size_t)parzen->ordered;
	const uint16_t *column = trials_column(parzen->trials, digit) + first;
	uint16_t choices = parzen->trials->product.choices[digit];

	for (size_t i = 0; i < count; i++) {
		const double *row = parzen->density + (size_t)column[i] * choices;

		sums[i] += logf((float)row[digits[digit]]);
	}
}

/*
 * A kernel's log density is what no match at all would give plus a gain for each match. Matches
 * are counted over all dimensions that share a gain.
 */
void parzen_log_densities(const struct parzen *parzen, const uint16_t *digits, size_t first,
			  size_t count, float *ret)
{
	const struct trials *trials = parzen->trials;
	const uint16_t *choices = trials->product.choices;
	uint16_t matches[PARZEN_TILE] = {0};

	assert(count <= PARZEN_TILE && first % PARZEN_TILE == 0);
	for (size_t i = 0; i < count; i++) {
		ret[i] = (float)parzen->base;
	}
	for (size_t i = 0; i < parzen->order_count; i++) {
		size_t digit = parzen->order[i];
		bool last = i + 1 == parzen->order_count ||
			    choices[parzen->order[i + 1]] != choices[digit];

		count_matches(trials_column(trials, digit) + first, digits[digit], count, matches);
		if (last) {
			add_matches(matches, (float)log_gain(parzen, choices[digit]), count, ret);
			memset(matches, 0, sizeof(matches));
		}
	}
	if (parzen->ordered >= 0) {
		add_ordered(parzen, digits, first, count, ret);
	}
}

static uint16_t draw_ordered(const double *row, uint16_t choices, struct rng *rng)
{
	double left = rng_unit(rng);
	uint16_t choice = 0;

	while (choice + 1 < choices && left >= row[choice]) {
		left -= row[choice++];
	}
	return choice;
}

uint16_t parzen_draw(const struct parzen *parzen, size_t digit, uint16_t a, struct rng *rng)
{
	uint16_t choices = parzen->trials->product.choices[digit];
	uint16_t other;

	if ((int)digit == parzen->ordered) {
		return draw_ordered(parzen->density + (size_t)a * choices, choices, rng);
	}
	if (rng_unit(rng) >= parzen->bandwidth) {
		return a;
	}
	other = (uint16_t)rng_below(rng, (uint64_t)choices - 1);
	return other < a ? other : (uint16_t)(other + 1);
}
