/* strategies/models/linalg: factors that grow row by row are those of the whole matrix. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "strategies/models/linalg.h"

/* Stride is what the row length must not be taken for. */
enum { N = 40, STRIDE = 47 };

static double a[N * STRIDE], l[N * STRIDE];

/* A random positive definite matrix B B^T + I in full. */
static void fill(void)
{
	struct rng rng = rng_make(1, RNG_SEARCH, 0);
	double b[N][N];

	for (size_t i = 0; i < N; i++) {
		for (size_t k = 0; k < N; k++) {
			b[i][k] = rng_unit(&rng) - 0.5;
		}
	}
	for (size_t i = 0; i < N; i++) {
		for (size_t k = 0; k < N; k++) {
			a[i * STRIDE + k] = linalg_dot(b[i], b[k], N) + (i == k ? 1 : 0);
		}
	}
	memcpy(l, a, sizeof(a));
}

TestSuite(linalg, .init = fill);

Test(linalg, a_factor_multiplies_back)
{
	cr_assert(linalg_factor(l, N, STRIDE));
	for (size_t i = 0; i < N; i++) {
		for (size_t k = 0; k <= i; k++) {
			cr_expect_float_eq(linalg_dot(l + i * STRIDE, l + k * STRIDE, k + 1),
					   a[i * STRIDE + k], 1e-13);
			cr_expect(k == i || l[k * STRIDE + i] == a[k * STRIDE + i],
				  "the upper triangle was written");
		}
	}
}

Test(linalg, appending_rows_gives_the_same_factor)
{
	double grown[N * STRIDE] = {0};

	cr_assert(linalg_factor(l, N, STRIDE));
	for (size_t n = 0; n < N; n++) {
		cr_assert(linalg_append(grown, n, STRIDE, a + n * STRIDE));
		for (size_t k = 0; k <= n; k++) {
			cr_expect_float_eq(grown[n * STRIDE + k], l[n * STRIDE + k], 1e-13);
		}
	}
}

Test(linalg, solutions_solve)
{
	double x[N], y[N], expected[N];

	cr_assert(linalg_factor(l, N, STRIDE));
	for (size_t i = 0; i < N; i++) {
		expected[i] = (double)i - 3.5;
	}
	linalg_multiply(a, N, N, STRIDE, expected, x);
	linalg_solve(l, N, STRIDE, x);
	for (size_t i = 0; i < N; i++) {
		cr_expect_float_eq(x[i], expected[i], 1e-11);
	}
	memcpy(x, expected, sizeof(x));
	linalg_forward(l, N, STRIDE, x);
	for (size_t i = 0; i < N; i++) {
		y[i] = linalg_dot(l + i * STRIDE, x, i + 1);
		cr_expect_float_eq(y[i], expected[i], 1e-11);
	}
}

Test(linalg, many_right_hand_sides_are_solved_like_one)
{
	enum { SIDES = 3, B_STRIDE = 5 };
	double b[N * B_STRIDE], one[N];

	cr_assert(linalg_factor(l, N, STRIDE));
	for (size_t i = 0; i < N * B_STRIDE; i++) {
		b[i] = (double)(i % 7) - 2;
	}
	for (size_t i = 0; i < N; i++) {
		one[i] = b[i * B_STRIDE + 1];
	}
	linalg_forward_many(l, N, STRIDE, b, SIDES, B_STRIDE);
	linalg_forward(l, N, STRIDE, one);
	for (size_t i = 0; i < N; i++) {
		cr_expect_float_eq(b[i * B_STRIDE + 1], one[i], 1e-12);
		cr_expect_eq(b[i * B_STRIDE + 4], (double)((i * B_STRIDE + 4) % 7) - 2);
	}
}

Test(linalg, inverse_and_determinant)
{
	/* L = [2 0; 1 3], so A = [4 2; 2 10], det A = 36 and A^-1 = [10 -2; -2 4] / 36. */
	double small[] = {2, 0, 1, 3};

	cr_expect_float_eq(linalg_log_determinant(small, 2, 2), log(36), 1e-15);
	linalg_invert(small, 2, 2);
	cr_expect_float_eq(small[0], 10.0 / 36, 1e-15);
	cr_expect_float_eq(small[2], -2.0 / 36, 1e-15);
	cr_expect_float_eq(small[3], 4.0 / 36, 1e-15);
}

Test(linalg, what_is_not_positive_definite_is_refused)
{
	double indefinite[] = {1, 0, 2, 1};
	double singular[] = {1, 0, 0, 0};
	const double twin[] = {1, 1};

	cr_expect(!linalg_factor(indefinite, 2, 2));
	cr_expect(!linalg_append(singular, 1, 2, twin));
}

Test(linalg, nothing_is_a_matrix_too)
{
	double one = 4;

	cr_expect(linalg_factor(NULL, 0, 1));
	cr_expect(linalg_append(&one, 0, 1, &one));
	cr_expect_eq(one, 2);
	cr_expect_eq(linalg_log_determinant(NULL, 0, 1), 0);
}
