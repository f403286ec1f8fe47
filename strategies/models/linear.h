/*
 * A Bayesian linear model with many more features than data: what is believed of each feature's
 * weight after some measurements, and of sums of them.
 *
 * Weights are normal, around 0 and with one variance for each group of features unless a feature is
 * believed to be otherwise; computed in the dual
 * form, as a Gaussian process whose kernel is the features' (Rasmussen and Williams: Gaussian
 * Processes for Machine Learning, 2006, sections 2.1 and 2.2), so that the cost grows with the
 * square of the measurements and linearly with the features. Variances are those of a grid that
 * make the data most probable. Samples of the posterior: Matheron's rule (arXiv 2011.04026).
 */
#ifndef NARROWD_STRATEGIES_MODELS_LINEAR_H
#define NARROWD_STRATEGIES_MODELS_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"

enum { LINEAR_GROUPS = 8 };

/* Features that are not 0. */
struct linear_row {
	uint32_t *features;
	double *values;
	size_t count, capacity;
};

void linear_row_add(struct linear_row *row, uint32_t feature, double value);
void linear_row_finish(struct linear_row *row);

struct linear {
	size_t feature_count;
	uint8_t *groups; /* of each feature; owned */
	double variances[LINEAR_GROUPS];
	/* Of each feature: its prior mean, 0 at first, and its variance by that of its group, 1. */
	double *means, *factors;
	double noise, proportional; /* deviation: sqrt(noise^2 + (proportional * value)^2) */
	struct linear_row
		*rows;  /* owned; after those that count come some of before, see linear_clear() */
	double *values; /* what was measured less what was expected; owned */
	double *levels; /* what the proportional noise is of; owned */
	size_t row_count, made_count, row_capacity;
	/* Of each group: the kernel of the first `kernel_rows` rows for a variance of 1, with room for `kernel_room`. */
	double *kernels;
	size_t kernel_rows, kernel_room;
	bool changed;    /* what was measured, since the latest fit */
	unsigned stale;  /* groups of which something else is believed since; a bit for each */
	double *scratch; /* NULL until it is needed, then zeros; owned */
	/* Of the latest linear_fit(): */
	double *factor, *alpha, *residuals, *weights; /* weights: the posterior means; owned */
};

void linear_init(struct linear *linear, size_t feature_count);
void linear_finish(struct linear *linear);
/* What is believed of one feature's weight before anything is measured. */
void linear_believe(struct linear *linear, uint32_t feature, double mean, double factor);
/* Takes over the row. */
void linear_add(struct linear *linear, struct linear_row *row, double value, double level);
/* Forgets all rows; when the same ones are added again, with others behind them, most of the fit's work is done. */
void linear_clear(struct linear *linear);
/* Cheap after other variances or another noise; not after other rows or factors. */
void linear_fit(struct linear *linear);
/* The same without weights: enough to ask for the evidence. */
void linear_try(struct linear *linear);
/* The logarithm of the marginal likelihood of the latest fit. */
double linear_evidence(const struct linear *linear);
double linear_mean(const struct linear *linear, const struct linear_row *row);
/* Of the sum without noise. `scratch` has feature_count zeros, and again afterwards. */
double linear_deviation(const struct linear *linear, const struct linear_row *row, double *scratch);
/* The same of many sums at once, without scratch: cheaper when they have few features. */
void linear_deviations(struct linear *linear, const struct linear_row *rows, size_t count,
		       double *ret);
/* Writes one draw of all weights from the posterior. */
void linear_sample(const struct linear *linear, struct rng *rng, double *ret_weights);

#endif
