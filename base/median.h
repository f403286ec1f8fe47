/*
 * The median of numbers. Any thread.
 */
#ifndef NARROWD_BASE_MEDIAN_H
#define NARROWD_BASE_MEDIAN_H

#include <stddef.h>

/* Sorts the values, of which there is one at least and none is NaN; the mean of the two in the middle of an even number. */
double median(double *values, size_t count);

#endif
