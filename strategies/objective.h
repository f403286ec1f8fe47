/*
 * The objective: what is made as small as possible among the configs that meet the criterion.
 */
#ifndef NARROWD_STRATEGIES_OBJECTIVE_H
#define NARROWD_STRATEGIES_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "strategies/criterion.h"

struct objective_metric {
	char *name; /* owned */
	double weight;
	bool higher_is_better;
};

struct objective {
	size_t count; /* >= 1 */
	struct objective_metric metrics[LIMIT_METRICS];
};

void objective_finish(struct objective *objective);

/*
 * One number, lower is better. A single metric is itself (negated when higher is better); several
 * are the weighted mean of their ratios to the baseline, inverted where higher is better.
 * `values` and `baseline` are in the order of objective->metrics.
 */
double objective_value(const struct objective *objective, const double *values,
		       const double *baseline);
/* How many times better than the baseline `value` is, or NAN where that means nothing. */
double objective_speedup(const struct objective *objective, double value, double baseline_value);

/* What is known of a measured trial when two are compared. */
struct candidate {
	bool feasible;
	double objective; /* of objective_value() */
	double merit;     /* of criterion_merit() */
	double margin;    /* of criterion_margin() */
	size_t fallbacks;
	int64_t number;
	bool insists; /* asked as such: supersedes earlier feasible ones */
};

/*
 * Whether `a` is to be preferred to the earlier best `b`. Feasible ones first; among them the
 * later one that insists, else the smaller objective, by more than a thousandth, since latencies are noisy; then the larger
 * accuracy, then fewer fallbacks, then the earlier trial. Among infeasible ones the smallest miss.
 */
bool candidate_better(const struct candidate *a, const struct candidate *b);

/* A measured trial when one is chosen among all. */
struct objective_row {
	const double *accuracy; /* one for each metric of the criterion */
	const double *values;   /* one for each metric of the objective */
	bool feasible;
};

/*
 * The row that is best under several objectives: every objective's ratio to the baseline is
 * mirrored where higher is better, scaled to 0 .. 1 over all rows, and summed by weight; rows that
 * miss the criterion count nothing; the first of equals (strategies.md 5.6). `count` >= 1.
 */
size_t objective_choose(const struct objective *objective, const struct criterion *criterion,
			const struct objective_row *baseline, const struct objective_row *rows,
			size_t count);

#endif
