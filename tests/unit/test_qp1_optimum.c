/* The optimum of the synthetic problem: that of trying everything, and of a program of its own. */
#include <criterion/criterion.h>
#include <math.h>

#include "bench/qp1_optimum.h"

enum { OPS = 4 };

/* Counts up like a number whose digits are options; false after the last. */
static bool next_config(const struct qp1 *qp1, uint16_t *options)
{
	for (size_t i = 0; i < qp1->count; i++) {
		options[i]++;
		if (options[i] < qp1->ops[i].options) {
			return true;
		}
		options[i] = 0;
	}
	return false;
}

static double best_of_all(const struct qp1 *qp1)
{
	uint16_t options[OPS] = {0};
	double best = INFINITY;

	do {
		if (qp1_accuracy(qp1, options) >= 0.76 * 0.99 * (1 - 1e-12)) {
			best = fmin(best, qp1_latency(qp1, options) / qp1->latency_fp32);
		}
	} while (next_config(qp1, options));
	return best;
}

Test(qp1_optimum, is_the_best_of_all_configs)
{
	for (uint64_t seed = 1; seed <= 24; seed++) {
		enum qp1_curve curve = (enum qp1_curve)(seed % 4);
		struct qp1_optimum optimum;
		struct qp1 qp1;

		qp1_init(&qp1, OPS, seed);
		qp1_vary(&qp1, seed % 3 == 0 ? 3 : 1, curve);
		optimum = qp1_optimum(&qp1);
		cr_expect_float_eq(optimum.latency, best_of_all(&qp1), 1e-9, "seed %d", (int)seed);
		cr_expect_float_eq(optimum.bound, optimum.latency, 1e-9);
		qp1_finish(&qp1);
	}
}

/* The same by a program that has no Lagrangian bounds; on 300 operators it was not exact. */
Test(qp1_optimum, of_larger_problems)
{
	static const struct {
		size_t n;
		uint64_t seed;
		double optimum;
	} known[] = {
		{8, 7, 0.753815},
		{30, 1, 0.367853},
		{30, 10, 0.561031},
		{100, 4, 0.397747},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct qp1_optimum optimum;
		struct qp1 qp1;

		qp1_init(&qp1, known[i].n, known[i].seed);
		optimum = qp1_optimum(&qp1);
		cr_expect_float_eq(optimum.latency, known[i].optimum, 1e-6);
		cr_expect_eq(optimum.bound, optimum.latency);
		qp1_finish(&qp1);
	}
}
