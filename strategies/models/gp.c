/* Fits Gaussian processes and predicts with them. */
#include "strategies/models/gp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/linalg.h"

enum {
	OWN_WEIGHTS = 50, /* more dimensions than that share weights by operator type */
	ITERATIONS = 30,
};

static const double noise_floor = 1e-6;

void gp_init(struct gp *gp, const struct distance *distance, bool matern)
{
	const struct product *product = &distance->trials->product;
	const struct space *space = product->space;
	size_t width = product->dimension_count;
	size_t types = space->capability.type_count;
	bool shared = width > OWN_WEIGHTS;

	gp->distance = distance;
	gp->matern = matern;
	gp->group = mem_new(width, sizeof(*gp->group));
	gp->group_count = shared ? types + 1 : width;
	gp->logs = mem_new(gp->group_count + 2, sizeof(*gp->logs));
	for (size_t d = 0; d < width; d++) {
		size_t dimension = product->dimensions[d];

		gp->group[d] = (uint32_t)d;
		if (shared) {
			gp->group[d] = dimension < space->op_count ? space->ops[dimension].type
								   : (uint32_t)types;
		}
	}
	for (size_t g = 0; g < gp->group_count; g++) {
		gp->logs[g] = log(4 / (double)(width + 1));
	}
	gp->logs[gp->group_count + 1] = log(1e-3);
}

void gp_finish(struct gp *gp)
{
	free(gp->group);
	free(gp->logs);
}

static double variance(const struct gp *gp)
{
	return exp(gp->logs[gp->group_count]);
}

static double noise(const struct gp *gp)
{
	return exp(gp->logs[gp->group_count + 1]) + noise_floor;
}

static double *weights_of(const struct gp *gp, size_t width)
{
	double *weights = mem_new(width, sizeof(*weights));

	for (size_t d = 0; d < width; d++) {
		weights[d] = exp(gp->logs[gp->group[d]]);
	}
	return weights;
}

/* Squared distances of a config to the first `count` rows. */
static void distances(const struct gp_fit *fit, const uint16_t *digits, size_t count, double *ret)
{
	memset(ret, 0, count * sizeof(*ret));
	for (size_t d = 0; d < fit->data.trials->product.dimension_count; d++) {
		distance_add(fit->gp->distance, d, digits[d], fit->weights[d], fit->data.rows,
			     count, ret);
	}
}

void gp_fit_place(const struct gp_fit *fit, const uint16_t *digits, double *ret_distances)
{
	distances(fit, digits, fit->data.count, ret_distances);
}

void gp_fit_move(const struct gp_fit *fit, size_t digit, uint16_t from, uint16_t to,
		 double *distances)
{
	const struct gp_data *data = &fit->data;
	double weight = fit->weights[digit];

	distance_add(fit->gp->distance, digit, from, -weight, data->rows, data->count, distances);
	distance_add(fit->gp->distance, digit, to, weight, data->rows, data->count, distances);
}

/* The kernel without its variance, and its derivative by the squared distance. */
static double kernel(const struct gp *gp, double d2, double *ret_slope)
{
	double r = sqrt(fmax(5 * d2, 0)), e;

	if (!gp->matern) {
		*ret_slope = -exp(-d2);
		return -*ret_slope;
	}
	e = exp(-r);
	*ret_slope = -5.0 / 6 * (1 + r) * e;
	return (1 + r + r * r / 3) * e;
}

static void row_digits(const struct gp_data *data, size_t row, uint16_t *ret)
{
	for (size_t d = 0; d < data->trials->product.dimension_count; d++) {
		ret[d] = trials_column(data->trials, d)[data->rows[row]];
	}
}

/* The lower triangle of the kernel matrix with noise; `slopes`, if any, likewise. */
static void fill(const struct gp_fit *fit, double *matrix, double *slopes)
{
	const struct gp *gp = fit->gp;
	size_t n = fit->data.count;
	uint16_t *digits = mem_new(fit->data.trials->product.dimension_count, sizeof(*digits));
	double *d2 = mem_new(n, sizeof(*d2));
	double s2 = variance(gp), slope;

	for (size_t i = 0; i < n; i++) {
		row_digits(&fit->data, i, digits);
		distances(fit, digits, i + 1, d2);
		for (size_t k = 0; k <= i; k++) {
			matrix[i * n + k] = s2 * kernel(gp, d2[k], &slope);
			if (slopes != NULL) {
				slopes[i * n + k] = s2 * slope;
			}
		}
		matrix[i * n + i] += noise(gp);
	}
	free(d2);
	free(digits);
}

/* The factor of the kernel matrix; equal rows may need more on the diagonal than the noise. */
static double *factor_of(const struct gp_fit *fit, double *slopes)
{
	size_t n = fit->data.count;
	double *matrix = mem_new(n * n, sizeof(*matrix));

	for (double jitter = 0;; jitter = jitter > 0 ? 10 * jitter : 1e-8) {
		fill(fit, matrix, slopes);
		for (size_t i = 0; i < n; i++) {
			matrix[i * n + i] += jitter;
		}
		if (linalg_factor(matrix, n, n > 0 ? n : 1)) {
			return matrix;
		}
	}
}

static double mean_of(const double *values, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++) {
		sum += values[i];
	}
	return count > 0 ? sum / (double)count : 0;
}

static double deviation_of(const double *values, size_t count, double mean)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++) {
		sum += (values[i] - mean) * (values[i] - mean);
	}
	return sum > 0 ? sqrt(sum / (double)count) : 1;
}

static void condition(struct gp_fit *fit, const struct gp *gp, const struct gp_data *data,
		      double *slopes)
{
	size_t n = data->count;

	fit->gp = gp;
	fit->data = *data;
	fit->mean = mean_of(data->values, data->known);
	fit->scale = deviation_of(data->values, data->known, fit->mean);
	fit->weights = weights_of(gp, data->trials->product.dimension_count);
	fit->factor = factor_of(fit, slopes);
	fit->alpha = mem_new(n, sizeof(*fit->alpha));
	for (size_t i = 0; i < data->known; i++) {
		fit->alpha[i] = (data->values[i] - fit->mean) / fit->scale;
	}
	/* A believed row adds no surprise: its element of L^-1 y stays 0. */
	linalg_forward(fit->factor, data->known, n > 0 ? n : 1, fit->alpha);
	linalg_backward(fit->factor, n, n > 0 ? n : 1, fit->alpha);
}

void gp_fit_init(struct gp_fit *fit, const struct gp *gp, const struct gp_data *data)
{
	condition(fit, gp, data, NULL);
}

void gp_fit_finish(struct gp_fit *fit)
{
	free(fit->weights);
	free(fit->factor);
	free(fit->alpha);
}

void gp_fit_predict(const struct gp_fit *fit, const double *distances, size_t count,
		    double *ret_means, double *ret_deviations)
{
	size_t n = fit->data.count;
	double *cross = mem_new(n * count, sizeof(*cross));
	double s2 = variance(fit->gp), slope;

	for (size_t c = 0; c < count; c++) {
		ret_means[c] = 0;
		ret_deviations[c] = s2;
		for (size_t i = 0; i < n; i++) {
			double k = s2 * kernel(fit->gp, distances[c * n + i], &slope);

			cross[i * count + c] = k;
			ret_means[c] += k * fit->alpha[i];
		}
	}
	linalg_forward_many(fit->factor, n, n > 0 ? n : 1, cross, count, count);
	for (size_t i = 0; i < n; i++) {
		for (size_t c = 0; c < count; c++) {
			ret_deviations[c] -= cross[i * count + c] * cross[i * count + c];
		}
	}
	for (size_t c = 0; c < count; c++) {
		ret_means[c] = fit->mean + fit->scale * ret_means[c];
		ret_deviations[c] = fit->scale * sqrt(fmax(ret_deviations[c], noise_floor));
	}
	free(cross);
}

/* Adds what the pair of rows contributes, given the derivative by their squared distance. */
static void add_pair(const struct gp *gp, const struct gp_data *data, size_t i, size_t k,
		     double slope, double *gradient)
{
	const struct trials *trials = data->trials;

	for (size_t d = 0; d < trials->product.dimension_count; d++) {
		const uint16_t *column = trials_column(trials, d);

		gradient[gp->group[d]] +=
			slope *
			distance_of(gp->distance, d, column[data->rows[i]], column[data->rows[k]]);
	}
}

/*
 * By the logarithms of the hyperparameters: 0.5 tr((a a^T - K^-1) dK), and the priors'. For the
 * variance dK is K without its noise, and tr(a a^T K) is a . y.
 */
static void gradient_of(const struct gp *gp, const struct gp_data *data, double *gradient)
{
	size_t n = data->count, groups = gp->group_count;
	double *slopes = mem_new(n * n, sizeof(*slopes));
	double excess = noise(gp) - noise_floor, by_noise = 0, by_all = -0.5 * (double)n;
	struct gp_fit fit;

	condition(&fit, gp, data, slopes);
	linalg_invert(fit.factor, n, n);
	memset(gradient, 0, (groups + 2) * sizeof(*gradient));
	for (size_t i = 0; i < n; i++) {
		const double *a = fit.alpha;

		by_noise += 0.5 * (a[i] * a[i] - fit.factor[i * n + i]);
		by_all += 0.5 * a[i] * (data->values[i] - fit.mean) / fit.scale;
		for (size_t k = 0; k < i; k++) {
			add_pair(gp, data, i, k,
				 (a[i] * a[k] - fit.factor[i * n + k]) * slopes[i * n + k],
				 gradient);
		}
	}
	for (size_t g = 0; g < groups; g++) {
		double w = exp(gp->logs[g]);

		gradient[g] = gradient[g] * w + 0.1 / w - 0.1 * w;
	}
	gradient[groups] = by_all - by_noise * noise(gp) + 1 - variance(gp);
	gradient[groups + 1] = (by_noise - 30) * excess + 0.1;
	free(slopes);
	gp_fit_finish(&fit);
}

/* Rprop (Riedmiller and Braun 1993): steps by the gradient's signs, with no line search. */
void gp_learn(struct gp *gp, const struct gp_data *data)
{
	size_t count = gp->group_count + 2;
	double *gradient = mem_new(count, sizeof(*gradient));
	double *last = mem_new(count, sizeof(*last));
	double *steps = mem_new(count, sizeof(*steps));

	for (size_t p = 0; p < count; p++) {
		steps[p] = 0.2;
	}
	for (int i = 0; i < ITERATIONS; i++) {
		gradient_of(gp, data, gradient);
		for (size_t p = 0; p < count; p++) {
			double turn = gradient[p] * last[p];

			steps[p] *= turn > 0 ? 1.2 : (turn < 0 ? 0.5 : 1);
			steps[p] = fmin(steps[p], 1);
			gp->logs[p] += gradient[p] > 0 ? steps[p] : -steps[p];
			gp->logs[p] = fmin(fmax(gp->logs[p], -12), 6);
			last[p] = gradient[p];
		}
	}
	free(steps);
	free(last);
	free(gradient);
}
