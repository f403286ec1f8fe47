/*
 * How far apart measurements of the same thing lie, pooled over everything that was measured more
 * than once; and what follows for a difference of means. Pure.
 */
#ifndef NARROWD_JOB_NOISE_H
#define NARROWD_JOB_NOISE_H

#include <stddef.h>
#include <stdint.h>

struct noise {
	double squares; /* of the deviations from each group's mean */
	int64_t degrees;
};

/* As far as noise may reach while none is known: a share of the value. */
extern const double noise_unknown;

double noise_mean(const double *values, size_t count);
/* Takes in the measurements of one thing. */
void noise_add(struct noise *noise, const double *values, size_t count);
/* The standard deviation of one measurement; NAN while nothing was measured twice. */
double noise_deviation(const struct noise *noise);
/* Student's t: the quantile below which 95 % lie, so that 90 % lie within plus and minus it. */
double noise_t95(int64_t degrees);
/* Half the width of the 90 % interval of a difference of the means of so many measurements; 0 of the
 * second where it is known exactly. NAN while nothing is known. */
double noise_margin(const struct noise *noise, int64_t a, int64_t b);

#endif
