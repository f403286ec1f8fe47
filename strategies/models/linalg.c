/* Calls BLAS and LAPACK, on rows of ours that are columns to them. */
#include "strategies/models/linalg.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <math.h>
#include <string.h>

/* LAPACK's own, Fortran, interface: a row-major lower triangle is a column-major upper one. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t length);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t length);

/* Not there when BLAS is another implementation; OpenBLAS has it in its cblas.h, others do not. */
/* NOLINTNEXTLINE(readability-redundant-declaration,readability-inconsistent-declaration-parameter-name) */
extern void openblas_set_num_threads(int count) __attribute__((weak));
/* NOLINTNEXTLINE(readability-redundant-declaration,readability-inconsistent-declaration-parameter-name) */
extern char *openblas_get_config(void) __attribute__((weak));

static void __attribute__((constructor)) use_one_thread(void)
{
	if (openblas_set_num_threads != NULL) {
		openblas_set_num_threads(1);
	}
}

static int to_int(size_t size)
{
	assert(size <= INT_MAX);
	return (int)size;
}

bool linalg_factor(double *a, size_t n, size_t stride)
{
	int order = to_int(n), lead = to_int(stride), info = 0;

	if (n > 0) {
		dpotrf_("U", &order, a, &lead, &info, 1);
	}
	return info == 0;
}

bool linalg_append(double *l, size_t n, size_t stride, const double *row)
{
	double *last = l + n * stride;
	double square;

	memmove(last, row, (n + 1) * sizeof(*row));
	linalg_forward(l, n, stride, last);
	square = last[n] - linalg_dot(last, last, n);
	last[n] = sqrt(square > 0 ? square : 0);
	return square > 0;
}

void linalg_forward(const double *l, size_t n, size_t stride, double *x)
{
	cblas_dtrsv(CblasRowMajor, CblasLower, CblasNoTrans, CblasNonUnit, to_int(n), l,
		    to_int(stride), x, 1);
}

void linalg_backward(const double *l, size_t n, size_t stride, double *x)
{
	cblas_dtrsv(CblasRowMajor, CblasLower, CblasTrans, CblasNonUnit, to_int(n), l,
		    to_int(stride), x, 1);
}

void linalg_solve(const double *l, size_t n, size_t stride, double *x)
{
	linalg_forward(l, n, stride, x);
	linalg_backward(l, n, stride, x);
}

void linalg_forward_many(const double *l, size_t n, size_t stride, double *b, size_t count,
			 size_t b_stride)
{
	cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, to_int(n),
		    to_int(count), 1, l, to_int(stride), b, to_int(b_stride));
}

void linalg_invert(double *l, size_t n, size_t stride)
{
	int order = to_int(n), lead = to_int(stride), info = 0;

	if (n > 0) {
		dpotri_("U", &order, l, &lead, &info, 1);
	}
	assert(info == 0);
}

void linalg_multiply(const double *a, size_t rows, size_t columns, size_t stride, const double *x,
		     double *y)
{
	cblas_dgemv(CblasRowMajor, CblasNoTrans, to_int(rows), to_int(columns), 1, a,
		    to_int(stride), x, 1, 0, y, 1);
}

double linalg_dot(const double *a, const double *b, size_t n)
{
	return cblas_ddot(to_int(n), a, 1, b, 1);
}

double linalg_log_determinant(const double *l, size_t n, size_t stride)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += log(l[i * stride + i]);
	}
	return 2 * sum;
}

const char *linalg_engine_version(void)
{
	static const char name[] = "OpenBLAS ";
	static char version[32]; /* of "OpenBLAS 0.3.21 NO_LAPACKE ..." */
	const char *config = openblas_get_config != NULL ? openblas_get_config() : "";

	if (strncmp(config, name, strlen(name)) != 0) {
		return NULL;
	}
	(void)strncat(version, config + strlen(name),
		      version[0] == '\0' ? strcspn(config + strlen(name), " ") % sizeof(version)
					 : 0);
	return version;
}
