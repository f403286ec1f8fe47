/* One strategy on one problem, asked and told through the interface that the daemon uses. */
#ifndef NARROWD_BENCH_RUN_H
#define NARROWD_BENCH_RUN_H

#include "bench/problem.h"
#include "strategies/interface/strategy.h"

enum { RUN_POINTS = 5 };

/* Where regret is looked at. */
extern const size_t run_points[RUN_POINTS];

struct run_setup {
	const struct strategy_ops *ops;
	const char *const *settings; /* strategy_kwargs as NAME=VALUE; NULL-terminated, or NULL */
	size_t trials;
	size_t known;    /* trials of random configs that are told before, as a warm start does */
	size_t parallel; /* questions at once; at least 1 */
};

/* Configs are judged as measured; latencies are relative to fp32. */
struct run_result {
	double first; /* trials until the criterion was met, or INFINITY */
	double regrets[RUN_POINTS];
	double final;     /* regret of what is handed over */
	double true_loss; /* of what is handed over, in units of what may be lost */
	size_t asked, duplicates;
	double asks_ms;    /* CPU time of all suggestions, and of taking in what they came to */
	double slowest_ms; /* of either at once */
};

/* The problem is only borrowed; exits when the strategy refuses its settings. */
struct run_result run_strategy(const struct run_setup *setup, struct bench_problem *problem);
/* Of CPU time. */
double run_milliseconds(void);
/* Sorts the values. */
double run_median(double *values, size_t count);

#endif
