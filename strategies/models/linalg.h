/*
 * Dense linear algebra for the strategies that fit models: Cholesky factors that grow by a row.
 *
 * The only place that knows BLAS and LAPACK. Matrices are row-major with a stride between rows, in
 * memory of the caller. Only the lower triangle of symmetric and triangular matrices is read or
 * written unless said otherwise. One thread does the work; any may call.
 */
#ifndef NARROWD_STRATEGIES_MODELS_LINALG_H
#define NARROWD_STRATEGIES_MODELS_LINALG_H

#include <stdbool.h>
#include <stddef.h>

/* Replaces A by L with L L^T = A. False, and A is spoilt, unless A is positive definite. */
bool linalg_factor(double *a, size_t n, size_t stride);
/*
 * Makes the factor of n rows one of n + 1: `row` holds A's new row, the diagonal element last, and
 * may be row n of `l` itself. False, and row n is spoilt, unless the new matrix is positive
 * definite.
 */
bool linalg_append(double *l, size_t n, size_t stride, const double *row);
/* x = L^-1 x and x = L^-T x. */
void linalg_forward(const double *l, size_t n, size_t stride, double *x);
void linalg_backward(const double *l, size_t n, size_t stride, double *x);
/* x = (L L^T)^-1 x. */
void linalg_solve(const double *l, size_t n, size_t stride, double *x);
/* B = L^-1 B for `count` right-hand sides, the columns of the n x count matrix B. */
void linalg_forward_many(const double *l, size_t n, size_t stride, double *b, size_t count,
			 size_t b_stride);
/* Replaces L by (L L^T)^-1. */
void linalg_invert(double *l, size_t n, size_t stride);
/* y = A x for a full matrix of rows x columns. */
void linalg_multiply(const double *a, size_t rows, size_t columns, size_t stride, const double *x,
		     double *y);
double linalg_dot(const double *a, const double *b, size_t n);
/* The logarithm of the determinant of L L^T. */
double linalg_log_determinant(const double *l, size_t n, size_t stride);

/* Of OpenBLAS, as it runs; NULL when BLAS is another one. */
const char *linalg_engine_version(void);

#endif
