/* Bounds the mean of samples that are not all seen, for certain and by statistics. */
#include "strategies/interface/verdict.h"

#include <math.h>

/* Below this the mean is not normally distributed enough. */
enum { LEAST_SEEN = 200 };

/* Looks are counted by how much was seen: a measurement is looked at once for each such factor. */
static const double step = 1.25;

const char *const verdict_names[] = {
	[VERDICT_OPEN] = "open",
	[VERDICT_CERTAIN] = "certain",
	[VERDICT_LIKELY] = "likely",
};

double verdict_mean(const struct progress *progress)
{
	return progress->sum / (double)progress->seen;
}

struct progress verdict_mirrored(const struct progress *progress)
{
	struct progress mirrored = *progress;

	mirrored.sum = -progress->sum;
	mirrored.low = -progress->high;
	mirrored.high = -progress->low;
	return mirrored;
}

static double looks(const struct progress *progress)
{
	return 1 + floor(log((double)progress->total / LEAST_SEEN) / log(step));
}

/* With one sample of each extreme added, so that it is never 0. */
static double variance(const struct progress *p)
{
	double n = (double)p->seen, sum = p->sum, squares = p->squares;

	if (isfinite(p->low) && isfinite(p->high)) {
		n += 2;
		sum += p->low + p->high;
		squares += p->low * p->low + p->high * p->high;
	}
	return fmax(squares / n - sum / n * (sum / n), 0) * n / (n - 1);
}

enum verdict verdict_below(const struct progress *progress, double bound, double error)
{
	double seen = (double)progress->seen, total = (double)progress->total;
	double deviation, chance;

	if ((progress->sum + progress->high * (total - seen)) / total < bound) {
		return VERDICT_CERTAIN;
	}
	if (error <= 0 || progress->seen < LEAST_SEEN || progress->seen >= progress->total) {
		return VERDICT_OPEN;
	}
	deviation = sqrt(variance(progress) / seen * (1 - seen / total));
	chance = 0.5 * erfc((bound - verdict_mean(progress)) / deviation / sqrt(2));
	return deviation > 0 && chance < error / looks(progress) ? VERDICT_LIKELY : VERDICT_OPEN;
}
