/*
 * Early verdicts: whether part of a measurement already says that its accuracy misses the bound.
 *
 * The accuracy is the mean of one value per sample (1 for right and 0 for wrong, or whatever the
 * metric averages). For certain: even if all samples that are left had the best possible value.
 * Statistically: the mean of the samples seen so far lies so far beyond the bound that chance would
 * do that with the stated probability at most; the standard error of samples drawn without
 * replacement (Cochran: Sampling Techniques, 1977, eq. 2.20), the probability shared out over all
 * the looks there can be (Bonferroni), so that it holds for the measurement as a whole.
 */
#ifndef NARROWD_STRATEGIES_INTERFACE_VERDICT_H
#define NARROWD_STRATEGIES_INTERFACE_VERDICT_H

#include <stdint.h>

/* How far a measurement is: 0 < seen <= total, the samples seen being a random part of all. */
struct progress {
	int64_t seen, total;
	double sum, squares; /* of the values seen, and of their squares */
	double low, high;    /* where all values lie; infinite when nobody knows */
};

enum verdict {
	VERDICT_OPEN,
	VERDICT_CERTAIN, /* it misses the bound */
	VERDICT_LIKELY,  /* ... but for the stated probability */
};

extern const char *const verdict_names[];

/* Whether the mean of all values will be below `bound`. `error`: the stated probability, 0 for
 * certainty alone. */
enum verdict verdict_below(const struct progress *progress, double bound, double error);
/* The same values with the other sign: for "above". */
struct progress verdict_mirrored(const struct progress *progress);
/* The mean so far. */
double verdict_mean(const struct progress *progress);

#endif
