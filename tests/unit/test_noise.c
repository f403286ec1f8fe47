/* The noise of repeated measurements, by hand and by a table of Student's t. */
#include <criterion/criterion.h>
#include <math.h>

#include "job/noise.h"

Test(noise, pools_what_was_measured_more_than_once)
{
	const double a[] = {1, 3}, b[] = {10, 10, 13}, alone[] = {100};
	struct noise noise = {0};

	noise_add(&noise, alone, 1);
	noise_add(&noise, alone, 0);
	cr_assert(isnan(noise_deviation(&noise)), "nothing was measured twice");
	cr_assert(isnan(noise_margin(&noise, 1, 1)));
	noise_add(&noise, a, 2);
	noise_add(&noise, b, 3);
	cr_assert_eq(noise.degrees, 3);
	/* (1 + 1) + (1 + 1 + 4) over 3 degrees. */
	cr_assert_float_eq(noise_deviation(&noise), sqrt(8.0 / 3), 1e-12);
	cr_assert_float_eq(noise_margin(&noise, 2, 4), 2.3534 * sqrt(8.0 / 3) * sqrt(0.75), 1e-9);
	cr_assert_float_eq(noise_margin(&noise, 2, 0), 2.3534 * sqrt(8.0 / 3) * sqrt(0.5), 1e-9,
			   "the other is known exactly");
}

Test(noise, knows_student)
{
	static const struct {
		int64_t degrees;
		double t;
	} table[] = {{1, 6.3138},  {2, 2.9200},  {10, 1.8125},  {11, 1.7959},
		     {20, 1.7247}, {60, 1.6706}, {1000, 1.6464}};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cr_assert_float_eq(noise_t95(table[i].degrees), table[i].t, 2e-4);
	}
	cr_assert(isinf(noise_t95(0)));
}
