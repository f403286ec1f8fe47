/*
 * Densities over configs as mixtures of kernels, one around each trial: what TPE compares.
 *
 * A kernel is a product over the dimensions. Its categorical part keeps the trial's option with
 * probability 1 - bandwidth and spreads the rest over the others; its ordered part, the
 * calibration sizes, is a normal curve over their places, flattened by the same share. The bandwidth is fixed, as
 * in c-TPE (arXiv 2211.14411); one that shrinks with the number of trials does worse on such
 * spaces.
 */
#ifndef NARROWD_STRATEGIES_MODELS_PARZEN_H
#define NARROWD_STRATEGIES_MODELS_PARZEN_H

#include "strategies/models/trials.h"

/* So many trials of all dimensions fit a cache: compare several configs with them in turn. */
enum { PARZEN_TILE = 512 };

struct parzen {
	const struct trials *trials; /* borrowed */
	double bandwidth;
	double base;     /* sum over all categorical dimensions of log miss */
	double prior;    /* log density of the uniform kernel */
	uint32_t *order; /* categorical digits, those with as many choices together */
	size_t order_count;
	int ordered;     /* the ordered digit, or -1 */
	double *density; /* ordered: the probability of choice b around a is [a * choices + b] */
};

void parzen_init(struct parzen *parzen, const struct trials *trials, double bandwidth);
void parzen_finish(struct parzen *parzen);
/* The probability of choice `b` of a digit in a kernel around `a`. */
double parzen_of_digit(const struct parzen *parzen, size_t digit, uint16_t a, uint16_t b);
/* Writes the log density of `digits` in the kernels around the trials first .. first + count - 1,
 * PARZEN_TILE of them at most, `first` being a multiple of that. */
void parzen_log_densities(const struct parzen *parzen, const uint16_t *digits, size_t first,
			  size_t count, float *ret);
/* Draws a choice from a kernel around `a`. */
uint16_t parzen_draw(const struct parzen *parzen, size_t digit, uint16_t a, struct rng *rng);

#endif
