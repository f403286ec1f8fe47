/* The ladders of bounds, and how a duration finds its place on one. */
#include "base/histogram.h"

/* 0 ends a ladder. */
static const double bounds[][HISTOGRAM_BOUNDS_MAX + 1] = {
	[HISTOGRAM_SHORT] = {0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
			     0.5, 1, 2.5, 10},
	[HISTOGRAM_LONG] = {0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 14400, 86400},
};

double histogram_bound(const struct histogram *histogram, size_t i)
{
	double bound = bounds[histogram->ladder][i];

	return bound > 0 ? bound : -1;
}

void histogram_add(struct histogram *histogram, double seconds)
{
	size_t i = 0;

	while (bounds[histogram->ladder][i] > 0 && seconds > bounds[histogram->ladder][i]) {
		i++;
	}
	histogram->counts[i]++;
	histogram->sum_s += seconds;
}
