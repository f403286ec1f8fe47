/* Fits Bayesian linear models in their dual form, and draws from them. */
#include "strategies/models/linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/kernels.h"
#include "strategies/models/linalg.h"
#include "strategies/models/memo.h"

/* Deviations from so few measurements are the same for many operators. */
enum { MEMO_ROWS = 16 };

static const double jitter = 1e-9;

void linear_row_add(struct linear_row *row, uint32_t feature, double value)
{
	if (row->count == row->capacity) {
		row->capacity = row->capacity > 0 ? 2 * row->capacity : 8;
		row->features = mem_grow(row->features, row->capacity, sizeof(*row->features));
		row->values = mem_grow(row->values, row->capacity, sizeof(*row->values));
	}
	row->features[row->count] = feature;
	row->values[row->count++] = value;
}

void linear_row_finish(struct linear_row *row)
{
	free(row->features);
	free(row->values);
	memset(row, 0, sizeof(*row));
}

void linear_init(struct linear *linear, size_t feature_count)
{
	memset(linear, 0, sizeof(*linear));
	linear->feature_count = feature_count;
	linear->groups = mem_new(feature_count, sizeof(*linear->groups));
	linear->weights = mem_new(feature_count, sizeof(*linear->weights));
	linear->means = mem_new(feature_count, sizeof(*linear->means));
	linear->factors = mem_new(feature_count, sizeof(*linear->factors));
	for (size_t f = 0; f < feature_count; f++) {
		linear->factors[f] = 1;
	}
}

void linear_believe(struct linear *linear, uint32_t feature, double mean, double factor)
{
	linear->means[feature] = mean;
	linear->factors[feature] = factor;
	linear->stale |= 1U << linear->groups[feature];
}

/* Zeros for all features; whoever uses them leaves zeros behind. Kept, for its pages are many. */
static double *scratch_of(struct linear *linear)
{
	if (linear->scratch == NULL) {
		linear->scratch = mem_new(linear->feature_count, sizeof(*linear->scratch));
	}
	return linear->scratch;
}

void linear_clear(struct linear *linear)
{
	linear->row_count = 0;
	linear->changed = true;
}

void linear_finish(struct linear *linear)
{
	for (size_t i = 0; i < linear->made_count; i++) {
		linear_row_finish(&linear->rows[i]);
	}
	free(linear->kernels);
	free(linear->groups);
	free(linear->means);
	free(linear->factors);
	free(linear->rows);
	free(linear->values);
	free(linear->levels);
	free(linear->factor);
	free(linear->alpha);
	free(linear->residuals);
	free(linear->weights);
	free(linear->scratch);
}

static bool are_same(const struct linear_row *a, const struct linear_row *b)
{
	return a->count == b->count &&
	       (a->count == 0 ||
		(memcmp(a->features, b->features, a->count * sizeof(*a->features)) == 0 &&
		 memcmp(a->values, b->values, a->count * sizeof(*a->values)) == 0));
}

/* Takes over the row. Where the same one was before its kernels stay. */
static void put_row(struct linear *linear, size_t place, struct linear_row *row)
{
	struct linear_row *before = &linear->rows[place];

	if (place < linear->made_count && are_same(before, row)) {
		linear_row_finish(row);
		return;
	}
	if (place < linear->made_count) {
		linear_row_finish(before);
	} else {
		linear->made_count = place + 1;
	}
	linear->kernel_rows = place < linear->kernel_rows ? place : linear->kernel_rows;
	*before = *row;
	memset(row, 0, sizeof(*row));
}

void linear_add(struct linear *linear, struct linear_row *row, double value, double level)
{
	size_t room;

	linear->changed = true;
	if (linear->row_count == linear->row_capacity) {
		room = linear->row_capacity > 0 ? 2 * linear->row_capacity : 32;
		linear->rows = mem_grow(linear->rows, room, sizeof(*linear->rows));
		linear->values = mem_grow(linear->values, room, sizeof(*linear->values));
		linear->levels = mem_grow(linear->levels, room, sizeof(*linear->levels));
		linear->row_capacity = room;
	}
	put_row(linear, linear->row_count, row);
	linear->values[linear->row_count] = value;
	linear->levels[linear->row_count++] = level;
}

static double variance_of(const struct linear *linear, uint32_t feature)
{
	return linear->variances[linear->groups[feature]] * linear->factors[feature];
}

enum { ALL_GROUPS = (1 << LINEAR_GROUPS) - 1 };

/* scratch += variance * value: half of a kernel, of the features of some groups, a bit for each. */
static void scatter(const struct linear *linear, unsigned groups, const struct linear_row *row,
		    double *scratch)
{
	for (size_t i = 0; i < row->count; i++) {
		uint32_t f = row->features[i];

		if ((groups >> linear->groups[f] & 1) != 0) {
			scratch[f] += variance_of(linear, f) * row->values[i];
		}
	}
}

static void clear(const struct linear_row *row, double *scratch)
{
	for (size_t i = 0; i < row->count; i++) {
		scratch[row->features[i]] = 0;
	}
}

static unsigned groups_of(const struct linear *linear, const struct linear_row *rows, size_t count)
{
	unsigned groups = 0;

	for (size_t r = 0; r < count; r++) {
		for (size_t i = 0; i < rows[r].count; i++) {
			groups |= 1U << linear->groups[rows[r].features[i]];
		}
	}
	return groups;
}

/* Several sums, since each addition waits for the one before it. */
static double gather(const struct linear_row *row, const double *scratch)
{
	enum { SUMS = 4 };
	double sums[SUMS] = {0};
	size_t i = 0;

	for (; i + SUMS <= row->count; i += SUMS) {
		for (size_t k = 0; k < SUMS; k++) {
			sums[k] += row->values[i + k] * scratch[row->features[i + k]];
		}
	}
	for (; i < row->count; i++) {
		sums[0] += row->values[i] * scratch[row->features[i]];
	}
	return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static double noise_of(const struct linear *linear, size_t row)
{
	double level = linear->proportional * linear->levels[row];

	return linear->noise * linear->noise + level * level + jitter;
}

/* weights += variances * features^T * alpha */
static void spread(const struct linear *linear, const double *alpha, double *weights)
{
	for (size_t r = 0; r < linear->row_count; r++) {
		const struct linear_row *row = &linear->rows[r];

		for (size_t i = 0; i < row->count; i++) {
			uint32_t f = row->features[i];

			weights[f] += variance_of(linear, f) * row->values[i] * alpha[r];
		}
	}
}

/*
 * Kernels and residuals, which depend on rows and on what is believed: kernels of a belief in its group alone, and of
 * a row with those before it.
 */
static void prepare(struct linear *linear)
{
	size_t n = linear->row_count;
	unsigned stale = linear->stale;

	if (stale == 0 && !linear->changed) {
		return;
	}
	linear->stale = 0;
	linear->changed = false;
	free(linear->residuals);
	linear->residuals = mem_new(n, sizeof(*linear->residuals));
	for (size_t r = 0; r < n; r++) {
		linear->residuals[r] = linear->values[r] - gather(&linear->rows[r], linear->means);
	}
	kernels_make(linear, stale);
}

/* The kernel of a row and those up to it: group by group, so that many are computed at once. */
static void add_row(const struct linear *linear, size_t r, double *ret)
{
	size_t n = linear->kernel_room;

	for (size_t g = 0; g < LINEAR_GROUPS; g++) {
		const double *kernels = &linear->kernels[(g * n + r) * n];
		double variance = linear->variances[g];

		for (size_t k = 0; k <= r && variance > 0; k++) {
			ret[k] += variance * kernels[k];
		}
	}
}

void linear_try(struct linear *linear)
{
	size_t n = linear->row_count;
	double more = 0;

	prepare(linear);
	free(linear->factor);
	free(linear->alpha);
	linear->factor = mem_new(n * n, sizeof(*linear->factor));
	linear->alpha = mem_new(n, sizeof(*linear->alpha));
	do {
		for (size_t r = 0; r < n; r++) {
			memset(&linear->factor[r * n], 0, n * sizeof(*linear->factor));
			add_row(linear, r, &linear->factor[r * n]);
			linear->factor[r * n + r] += noise_of(linear, r) + more;
		}
		more = more > 0 ? 10 * more : jitter;
	} while (n > 0 && !linalg_factor(linear->factor, n, n));
	if (n > 0) {
		memcpy(linear->alpha, linear->residuals, n * sizeof(*linear->alpha));
		linalg_solve(linear->factor, n, n, linear->alpha);
	}
}

void linear_fit(struct linear *linear)
{
	linear_try(linear);
	memcpy(linear->weights, linear->means, linear->feature_count * sizeof(*linear->weights));
	spread(linear, linear->alpha, linear->weights);
}

double linear_evidence(const struct linear *linear)
{
	size_t n = linear->row_count;

	return n == 0 ? 0
		      : -0.5 * (linalg_dot(linear->residuals, linear->alpha, n) +
				linalg_log_determinant(linear->factor, n, n));
}

double linear_mean(const struct linear *linear, const struct linear_row *row)
{
	return gather(row, linear->weights);
}

double linear_deviation(const struct linear *linear, const struct linear_row *row, double *scratch)
{
	size_t n = linear->row_count;
	double *cross = mem_new(n, sizeof(*cross));
	double variance;

	scatter(linear, ALL_GROUPS, row, scratch);
	variance = gather(row, scratch);
	for (size_t r = 0; r < n; r++) {
		cross[r] = gather(&linear->rows[r], scratch);
	}
	clear(row, scratch);
	if (n > 0) {
		linalg_forward(linear->factor, n, n, cross);
		variance -= linalg_dot(cross, cross, n);
	}
	free(cross);
	return sqrt(fmax(variance, jitter));
}

static double prior_variance(const struct linear *linear, const struct linear_row *row)
{
	double sum = 0;

	for (size_t i = 0; i < row->count; i++) {
		sum += variance_of(linear, row->features[i]) * row->values[i] * row->values[i];
	}
	return sum;
}

/* Of a sum from its variance before and its covariances with the measurements, which are used up. */
static double deviation_of(const struct linear *linear, double variance, double *cross)
{
	size_t n = linear->row_count;

	linalg_forward(linear->factor, n, n, cross);
	return sqrt(fmax(variance - linalg_dot(cross, cross, n), jitter));
}

/* The same; many sums have the same covariances. `cross` has one more place, for the variance. */
static double known_deviation(const struct linear *linear, double variance, double *cross,
			      struct memo *memo)
{
	double *answer;
	bool known;

	cross[linear->row_count] = variance;
	answer = memo_answer(memo, cross, &known);
	if (!known) {
		*answer = deviation_of(linear, variance, cross);
	}
	return *answer;
}

/* Each measurement is spread out once for a whole block of sums. */
void linear_deviations(struct linear *linear, const struct linear_row *rows, size_t count,
		       double *ret)
{
	enum { BLOCK_CELLS = 512 * 1024, LEAST_BLOCK = 1024 };
	size_t n = linear->row_count;
	size_t block = n * LEAST_BLOCK < BLOCK_CELLS ? BLOCK_CELLS / (n + 1) : LEAST_BLOCK;
	double *scratch = scratch_of(linear);
	size_t width = n + 1;
	double *cross = mem_new((block < count ? block : count) * width, sizeof(*cross));
	bool few = n <= MEMO_ROWS;
	struct memo memo;

	memo_init(&memo, few ? count : 0, few ? n + 1 : 0, 1);
	for (size_t start = 0; start < count; start += block) {
		size_t size = count - start < block ? count - start : block;
		unsigned groups = groups_of(linear, &rows[start], size);

		for (size_t r = 0; r < n; r++) {
			scatter(linear, groups, &linear->rows[r], scratch);
			for (size_t i = 0; i < size; i++) {
				cross[i * width + r] = gather(&rows[start + i], scratch);
			}
			clear(&linear->rows[r], scratch);
		}
		for (size_t i = 0; i < size; i++) {
			double variance = prior_variance(linear, &rows[start + i]);

			double *own = &cross[i * width];

			ret[start + i] = few ? known_deviation(linear, variance, own, &memo)
					     : deviation_of(linear, variance, own);
		}
	}
	memo_finish(&memo);
	free(cross);
}

/* By pairs: Box and Muller, A note on the generation of random normal deviates, 1958. */
static void draw_normals(struct rng *rng, double *ret, size_t count)
{
	for (size_t i = 0; i < count; i += 2) {
		double radius = sqrt(-2 * log(1 - rng_unit(rng)));
		double angle = 2 * 3.14159265358979323846 * rng_unit(rng);

		ret[i] = radius * cos(angle);
		if (i + 1 < count) {
			ret[i + 1] = radius * sin(angle);
		}
	}
}

void linear_sample(const struct linear *linear, struct rng *rng, double *ret_weights)
{
	size_t n = linear->row_count;
	double *misfit = mem_new(n, sizeof(*misfit));

	draw_normals(rng, ret_weights, linear->feature_count);
	for (size_t f = 0; f < linear->feature_count; f++) {
		ret_weights[f] =
			linear->means[f] + ret_weights[f] * sqrt(variance_of(linear, (uint32_t)f));
	}
	draw_normals(rng, misfit, n);
	for (size_t r = 0; r < n; r++) {
		misfit[r] = linear->values[r] - gather(&linear->rows[r], ret_weights) -
			    sqrt(noise_of(linear, r)) * misfit[r];
	}
	if (n > 0) {
		linalg_solve(linear->factor, n, n, misfit);
	}
	spread(linear, misfit, ret_weights);
	free(misfit);
}
