/*
 * QP1: a synthetic tuning problem with operators of five types, int8 variants, bf16 and fp32,
 * heavy-tailed sensitivities, interactions of neighbours and costs of conversions.
 *
 * The same numbers on every machine: only + - * / sqrt in a fixed order, so this is compiled with
 * -ffp-contract=off. tests/unit/test_qp1.c has the vectors that define it.
 */
#ifndef NARROWD_BENCH_QP1_H
#define NARROWD_BENCH_QP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strategies/space.h"

enum { QP1_OPTIONS = 10 };

struct qp1_op {
	int type; /* 0 conv, 1 linear, 2 matmul, 3 eltwise, 4 pool */
	int options;
	double losses[QP1_OPTIONS], latencies[QP1_OPTIONS];
	double border;       /* a conversion between this operator and the next one */
	double interaction;  /* with the next one */
	double mse, hessian; /* proxies of the sensitivity */
};

struct qp1 {
	size_t count;
	uint64_t seed;
	int family;
	double hard, scale, latency_fp32;
	struct qp1_op *ops; /* owned */
};

void qp1_init(struct qp1 *qp1, size_t count, uint64_t seed);
void qp1_finish(struct qp1 *qp1);
/* `options` has one for each operator; the last of each is fp32. */
double qp1_accuracy(const struct qp1 *qp1, const uint16_t *options);
double qp1_latency(const struct qp1 *qp1, const uint16_t *options);
/* Of mean 0 and variance 1; `repeat` selects another evaluation. */
double qp1_noise(const struct qp1 *qp1, const uint16_t *options, uint64_t repeat);

/* What the capability says of it besides the options. */
struct qp1_hints {
	bool latencies;    /* of operators per mode */
	bool hessian, mse; /* scores */
};

/* The caller destroys it. */
struct space *qp1_space(const struct qp1 *qp1, const struct qp1_hints *hints);
/* The problem's options of the choices that config_expand() writes. */
void qp1_options(const struct qp1 *qp1, const struct space *space, const uint16_t *choices,
		 uint16_t *ret_options);

#endif
