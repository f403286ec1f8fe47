/*
 * Histograms of durations, for /metrics: how many took at most so long, for a fixed ladder of bounds.
 *
 * A plain value: zeroed memory is an empty one of the short ladder, and assigning copies it. One
 * thread, or a lock of its owner's.
 */
#ifndef NARROWD_BASE_HISTOGRAM_H
#define NARROWD_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum histogram_ladder {
	HISTOGRAM_SHORT, /* from 0.1 ms to 10 s: what the daemon does itself */
	HISTOGRAM_LONG,  /* from 10 ms to a day: what others measure */
};

enum { HISTOGRAM_BOUNDS_MAX = 16 };

struct histogram {
	enum histogram_ladder ladder;
	uint64_t counts[HISTOGRAM_BOUNDS_MAX +
			1]; /* of each bucket alone; the one behind the last bound, too */
	double sum_s;
};

void histogram_add(struct histogram *histogram, double seconds);
/* The upper bound of bucket i in seconds, inclusive; below 0 for the one that has none, which is the last. */
double histogram_bound(const struct histogram *histogram, size_t i);

#endif
