/*
 * The best that any config of QP1 can reach, so that regret is known for every seed and variant.
 *
 * Label-setting dynamic programming over the chain: for each option of an operator, the pairs of
 * loss and latency that the operators before it can come to and that no other pair dominates.
 * Labels are dropped when even the Lagrangian bound of what may follow is no better than the best
 * config known (Handler and Zang: A dual algorithm for the constrained shortest path problem,
 * Networks 10, 1980).
 */
#ifndef NARROWD_BENCH_QP1_OPTIMUM_H
#define NARROWD_BENCH_QP1_OPTIMUM_H

#include "bench/qp1.h"

/* Latencies relative to fp32. */
struct qp1_optimum {
	double latency; /* of a config that meets the criterion */
	double bound; /* no config that meets it is faster; equal to `latency` when that is exact */
};

struct qp1_optimum qp1_optimum(const struct qp1 *qp1);

#endif
