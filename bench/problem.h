/*
 * The problems on which strategies are compared: QP1 and its variants, and tables with costly
 * conversions, each with its optimum.
 */
#ifndef NARROWD_BENCH_PROBLEM_H
#define NARROWD_BENCH_PROBLEM_H

#include "bench/qp1.h"
#include "space/config.h"

/* Of accuracies: the baseline's, and what a config may lose of it. */
#define PROBLEM_BASELINE  0.76
#define PROBLEM_TOLERABLE 0.01

enum { PROBLEM_TABLE_OPS = 12 };

struct problem_variant {
	/*
	 * Twelve operators in int8 or fp32, of which the first gain a little and the others
	 * nothing, with conversions as dear as operators. Most configs are slower than fp32.
	 */
	bool tables;
	double interactions; /* times those of QP1 */
	enum qp1_curve curve;
	struct qp1_hints hints;
	double noise; /* of accuracies, in units of what may be lost */
};

struct bench_problem {
	struct qp1 qp1;
	struct space *space; /* owned */
	double optimum;      /* latency of the best config, relative to fp32 */
	const struct problem_variant *variant;
	uint16_t *options; /* of the config at hand; owned */
};

struct bench_measurement {
	double accuracy; /* the true one */
	double measured; /* the same with noise */
	double latency;  /* relative to fp32 */
};

/* The variant is borrowed for the problem's life. Tables have PROBLEM_TABLE_OPS operators. */
void problem_init(struct bench_problem *problem, const struct problem_variant *variant,
		  size_t count, uint64_t seed);
void problem_finish(struct bench_problem *problem);
/* `repeat`: how often the config was measured before. */
struct bench_measurement problem_measure(struct bench_problem *problem, const struct config *config,
					 uint64_t repeat);
/* 0 is the optimum. Of QP1 1 is fp32; of tables it is how much longer than the optimum. */
double problem_regret(const struct bench_problem *problem, double latency);

#endif
