/* Pools the noise of repeated measurements and says what it makes of a difference. */
#include "job/noise.h"

#include <math.h>

const double noise_unknown = 0.05;

double noise_mean(const double *values, size_t count)
{
	double sum = 0;

	for (size_t i = 0; i < count; i++) {
		sum += values[i];
	}
	return sum / (double)count;
}

void noise_add(struct noise *noise, const double *values, size_t count)
{
	double mean = noise_mean(values, count); /* of none, nothing is compared with it */

	for (size_t i = 0; i < count; i++) {
		noise->squares += (values[i] - mean) * (values[i] - mean);
	}
	noise->degrees += count > 1 ? (int64_t)count - 1 : 0;
}

double noise_deviation(const struct noise *noise)
{
	return sqrt(noise->squares / (double)noise->degrees); /* 0 / 0 without degrees */
}

/* Few degrees from a table, more by Abramowitz & Stegun 26.7.5, which is then right to 4 digits. */
double noise_t95(int64_t degrees)
{
	static const double few[] = {6.3138, 2.9200, 2.3534, 2.1318, 2.0150,
				     1.9432, 1.8946, 1.8595, 1.8331, 1.8125};
	static const double z = 1.6448536;
	double n = (double)degrees;

	if (degrees < 1) {
		return INFINITY;
	}
	if (degrees <= (int64_t)(sizeof(few) / sizeof(few[0]))) {
		return few[degrees - 1];
	}
	return z + (pow(z, 3) + z) / (4 * n) +
	       (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * n * n) +
	       (3 * pow(z, 7) + 19 * pow(z, 5) + 17 * pow(z, 3) - 15 * z) / (384 * n * n * n);
}

double noise_margin(const struct noise *noise, int64_t a, int64_t b)
{
	double share = 1 / (double)a + (b > 0 ? 1 / (double)b : 0);

	return noise_t95(noise->degrees) * noise_deviation(noise) * sqrt(share);
}
