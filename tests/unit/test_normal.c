/* strategies/models/normal: values far in the tails against ones of many digits. */
#include <criterion/criterion.h>
#include <math.h>

#include "strategies/models/normal.h"

struct reference {
	double z, log_cdf, log_h;
};

/* Computed with 90 decimal digits: series near 0, continued fraction in the tail. */
static const struct reference references[] = {
	{10, -7.6198530241605260660e-24, 2.3025850929940456840e+00},
	{3, -1.3508099647481937988e-03, 1.0987396653277077727e+00},
	{0.5, -3.6894641528865639307e-01, -3.5982768374506381859e-01},
	{0, -6.9314718055994530942e-01, -9.1893853320467274178e-01},
	{-0.5, -1.1759117615936186089e+00, -1.6205162643873199193e+00},
	{-0.999, -1.8394969101647779075e+00, -2.4832171154475854429e+00},
	{-1, -1.8410216450092635058e+00, -2.4851210257126413368e+00},
	{-1.5, -2.7059444008238898070e+00, -3.5299359208057098515e+00},
	{-5, -1.5064998393988725736e+01, -1.6744301162660990143e+01},
	{-12.25, -7.8462270827375928643e+01, -8.0980785058833982805e+01},
	{-29.9, -4.5132291245852867701e+02, -4.5472299811949631649e+02},
	{-30, -4.5432124395634319711e+02, -4.5772465376059800405e+02},
	{-30.1, -4.5732956441638221506e+02, -4.6073628739874299547e+02},
	{-100, -5.0055242086942050886e+03, -5.0101295788002497924e+03},
	{-12345, -7.6199522839944941546e+07, -7.6199532260951356448e+07},
	{-1e8, -5.0000000000000193396e+15, -5.0000000000000377603e+15},
};

enum { REFERENCES = sizeof(references) / sizeof(references[0]) };

static double relative_error(double value, double expected)
{
	return fabs(value / expected - 1);
}

Test(normal, log_cdf_is_exact_into_the_tails)
{
	for (size_t i = 0; i < REFERENCES; i++) {
		const struct reference *r = &references[i];

		cr_expect_lt(relative_error(normal_log_cdf(r->z), r->log_cdf), 1e-13, "z = %g: %a",
			     r->z, normal_log_cdf(r->z));
	}
}

Test(normal, log_h_is_exact_into_the_tails)
{
	for (size_t i = 0; i < REFERENCES; i++) {
		const struct reference *r = &references[i];

		cr_expect_lt(relative_error(normal_log_h(r->z), r->log_h), 1e-13, "z = %g: %a",
			     r->z, normal_log_h(r->z));
	}
}

/* Where one formula takes over from another neither may step back. */
Test(normal, both_grow_everywhere)
{
	double z = -200;

	for (; z < 6; z += 1.0 / 64) {
		cr_assert_lt(normal_log_cdf(z), normal_log_cdf(z + 1.0 / 64), "%g", z);
		cr_assert_lt(normal_log_h(z), normal_log_h(z + 1.0 / 64), "%g", z);
	}
}

Test(normal, expected_improvement)
{
	/* log(2 h(0.5)): a mean of 3 and a deviation of 2 against a best of 4. */
	cr_expect_float_eq(normal_log_ei(4, 3, 2), log(2) - 3.5982768374506381859e-01, 1e-15);
	cr_expect_float_eq(normal_log_ei(4, 1, 0), log(3), 1e-15);
	cr_expect_eq(normal_log_ei(1, 4, 0), -INFINITY);
	cr_expect(isfinite(normal_log_ei(-1e6, 1e6, 1e-3)));
}
