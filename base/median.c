/* Finds medians by sorting. */
#include "base/median.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Halves are added, since a sum may be too large. */
double median(double *values, size_t count)
{
	qsort(values, count, sizeof(*values), by_value);
	return count % 2 != 0 ? values[count / 2]
			      : values[count / 2 - 1] / 2 + values[count / 2] / 2;
}
