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

#include "space/space.h"

enum { QP1_OPTIONS = 10 };

struct qp1_op {
	int type; /* 0 conv, 1 linear, 2 matmul, 3 eltwise, 4 pool */
	int options;
	double losses[QP1_OPTIONS], latencies[QP1_OPTIONS];
	double border;       /* a conversion between this operator and the next one */
	double interaction;  /* with the next one */
	double mse, hessian; /* proxies of the sensitivity */
};

/* The loss of accuracy as a function of the sum of losses d, where d0 is what may be lost. */
enum qp1_curve {
	QP1_HYPERBOLA,   /* d / (1 + d): the problem as it is defined */
	QP1_EXPONENTIAL, /* 1 - exp(-d) */
	QP1_CONVEX,      /* d0 (d / d0)^1.5 */
	QP1_CONCAVE,     /* d0 (d / d0)^(2/3) */
};

extern const char *const qp1_curve_names[]; /* NULL-terminated */

struct qp1 {
	size_t count;
	uint64_t seed;
	int family;
	double hard, scale, latency_fp32;
	enum qp1_curve curve;
	struct qp1_op *ops; /* owned */
};

void qp1_init(struct qp1 *qp1, size_t count, uint64_t seed);
void qp1_finish(struct qp1 *qp1);
/* Makes another problem of it: `interactions` times as much of them, and another curve. What the
 * default config loses, in units of what may be lost, stays the same up to the curve. */
void qp1_vary(struct qp1 *qp1, double interactions, enum qp1_curve curve);
/* `options` has one for each operator; the last of each is fp32. */
double qp1_accuracy(const struct qp1 *qp1, const uint16_t *options);
double qp1_latency(const struct qp1 *qp1, const uint16_t *options);
/* What two neighbours with these losses add to the sum of losses; what a conversion between options
 * of `op` and of the next operator adds to the latency. */
double qp1_interaction(const struct qp1_op *op, double loss, double next_loss);
double qp1_conversion(const struct qp1_op *op, int option, int next_option);
/* The largest sum of losses that meets the criterion. */
double qp1_tolerable_loss(const struct qp1 *qp1);
/* Of mean 0 and variance 1; `repeat` selects another evaluation. */
double qp1_noise(const struct qp1 *qp1, const uint16_t *options, uint64_t repeat);

enum qp1_scores {
	QP1_UNSCORED,
	QP1_HESSIAN, /* good ones: rank correlation with the sensitivities about 0.93 */
	QP1_MSE,     /* about 0.80 */
	QP1_WEAK,    /* those of mse, half of them of the wrong operators */
};

extern const char *const qp1_scores_names[]; /* NULL-terminated */

double qp1_score(const struct qp1 *qp1, size_t op, enum qp1_scores scores);

/* What the capability says of it besides the options. */
struct qp1_hints {
	bool latencies; /* of operators per mode */
	enum qp1_scores scores;
};

/* The caller destroys it. */
struct space *qp1_space(const struct qp1 *qp1, const struct qp1_hints *hints);
/* The problem's options of the choices that config_expand() writes. */
void qp1_options(const struct qp1 *qp1, const struct space *space, const uint16_t *choices,
		 uint16_t *ret_options);

#endif
