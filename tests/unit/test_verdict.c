/* Early verdicts: the exact bound at its edge, and how often the statistical one errs. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "strategies/interface/verdict.h"

static struct progress right(int64_t seen, int64_t correct, int64_t total)
{
	return (struct progress){.seen = seen,
				 .total = total,
				 .sum = (double)correct,
				 .squares = (double)correct,
				 .low = 0,
				 .high = 1};
}

Test(verdict, is_certain_when_the_rest_cannot_make_up_for_it)
{
	struct progress p = right(100, 49, 1000);

	/* At best 949 of 1000. */
	cr_expect_eq(verdict_below(&p, 0.949, 0), VERDICT_OPEN);
	cr_expect_eq(verdict_below(&p, 0.9491, 0), VERDICT_CERTAIN);
	p = right(1000, 948, 1000);
	cr_expect_eq(verdict_below(&p, 0.949, 0.1), VERDICT_CERTAIN);
	p = right(1000, 949, 1000);
	cr_expect_eq(verdict_below(&p, 0.949, 0.1), VERDICT_OPEN);
}

Test(verdict, is_mirrored_for_errors)
{
	struct progress errors = right(100, 60, 1000), mirrored = verdict_mirrored(&errors);

	/* At least 60 of 1000. */
	cr_expect_eq(verdict_below(&mirrored, -0.06, 0), VERDICT_OPEN);
	cr_expect_eq(verdict_below(&mirrored, -0.0599, 0), VERDICT_CERTAIN);
}

Test(verdict, without_a_range_nothing_is_certain)
{
	struct progress p = right(400, 0, 1000);

	p.low = -INFINITY;
	p.high = INFINITY;
	p.squares = 400;
	cr_expect_eq(verdict_below(&p, 0.5, 0), VERDICT_OPEN);
	cr_expect_eq(verdict_below(&p, 0.5, 0.01), VERDICT_LIKELY);
	p.seen = 199;
	cr_expect_eq(verdict_below(&p, 0.5, 0.01), VERDICT_OPEN, "too few");
}

/* Looks at samples without replacement, 20 at a time; returns the share seen, or 1 at the end. */
static double look(int64_t total, int64_t correct, double bound, double error, struct rng *rng)
{
	int64_t left = correct, seen = 0, got = 0;

	while (seen < total) {
		struct progress p;

		for (int i = 0; i < 20 && seen < total; i++) {
			bool hit = (int64_t)rng_below(rng, (uint64_t)(total - seen)) < left;

			left -= hit;
			got += hit;
			seen++;
		}
		p = right(seen, got, total);
		if (verdict_below(&p, bound, error) != VERDICT_OPEN) {
			return (double)seen / (double)total;
		}
	}
	return 2;
}

/* Just good enough is the hardest case: every verdict is wrong. */
Test(verdict, errs_less_often_than_stated)
{
	enum { TOTAL = 2000, RUNS = 10000 };
	static const double errors[] = {0.01, 0.05};
	struct rng rng = rng_make(3, RNG_SEARCH, 0);

	for (size_t e = 0; e < 2; e++) {
		int wrong = 0;

		for (int i = 0; i < RUNS; i++) {
			wrong += look(TOTAL, 1600, 0.8, errors[e], &rng) < 2;
		}
		cr_expect_lt(wrong, (int)(errors[e] * RUNS), "%d of %d", wrong, RUNS);
	}
}

Test(verdict, comes_early_when_much_is_lost)
{
	struct rng rng = rng_make(4, RNG_SEARCH, 0);
	double seen = 0, exact = 0;

	for (int i = 0; i < 200; i++) {
		seen += look(5000, 3600, 0.79, 0.01, &rng) / 200;
		exact += look(5000, 3600, 0.79, 0, &rng) / 200;
	}
	cr_expect_lt(seen, 0.2, "%g", seen);
	cr_expect_lt(exact, 0.8, "%g", exact);
	cr_expect_gt(exact, seen);
}
