/* Logarithms of the normal distribution's tails and of expected improvements. */
#include "strategies/models/normal.h"

#include <math.h>

static const double half_log_2pi = 0.91893853320467274178;

/* exp(x^2) erfc(x) would overflow beyond; the asymptotic series is exact by then. */
static const double far = -30;

static double log_density(double z)
{
	return -0.5 * z * z - half_log_2pi;
}

double normal_log_cdf(double z)
{
	double r;

	if (z > -1) {
		return log1p(-0.5 * erfc(z * M_SQRT1_2));
	}
	if (z > far) {
		return log(0.5 * erfc(-z * M_SQRT1_2));
	}
	r = 1 / (z * z);
	return log_density(z) - log(-z) +
	       log1p(r * (-1 + r * (3 + r * (-15 + r * (105 - 945 * r)))));
}

double normal_log_h(double z)
{
	double x = -z * M_SQRT1_2;
	double r;

	if (z > -1) {
		return log(z * 0.5 * erfc(x) + exp(log_density(z)));
	}
	if (z > far) {
		return log_density(z) + log1p(z * sqrt(M_PI_2) * exp(x * x) * erfc(x));
	}
	r = 1 / (z * z);
	return log_density(z) - 2 * log(-z) +
	       log1p(r * (-3 + r * (15 + r * (-105 + r * (945 - 10395 * r)))));
}

double normal_log_ei(double best, double mean, double deviation)
{
	if (deviation <= 0) {
		return best > mean ? log(best - mean) : -INFINITY;
	}
	return log(deviation) + normal_log_h((best - mean) / deviation);
}
