/*
 * The objective: what is made as small as possible among the configs that meet the criterion.
 */
#ifndef NARROWD_STRATEGIES_INTERFACE_OBJECTIVE_H
#define NARROWD_STRATEGIES_INTERFACE_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "strategies/interface/criterion.h"

struct objective_metric {
	char *name; /* owned */
	double weight;
	bool higher_is_better;
};

struct objective {
	int64_t rules; /* of the job */
	size_t count;  /* >= 1 */
	struct objective_metric metrics[LIMIT_METRICS];
};

void objective_finish(struct objective *objective);

/*
 * One number, lower is better, by which configs are ordered. A single metric is itself (negated
 * when higher is better). Several are 1 less the mean of their gains, weighted: 1 is as good as
 * the baseline. Where a baseline is 0, which has no share to gain, the difference itself counts.
 * By the first rules several are the weighted mean of their ratios to the baseline, inverted where
 * higher is better. `values` and `baseline` are in the order of objective->metrics.
 */
double objective_value(const struct objective *objective, const double *values,
		       const double *baseline);
/*
 * By which share of the baseline the values are better; the weighted sum under several metrics.
 * NAN where that means nothing: a value or a baseline is 0, or accuracy is all there is, which the
 * criterion judges.
 */
double objective_gain(const struct objective *objective, const double *values,
		      const double *baseline);
/* Whether a gain is as large as asked for, but for rounding. */
bool objective_gains(double gain, double min_gain);
/* How many times better than the baseline the values are; NAN unless all of them are above 0 and
 * lower is better. */
double objective_speedup(const struct objective *objective, const double *values,
			 const double *baseline);
/* The same of numbers of objective_value(), for whatever sign they have; by the first rules NAN
 * where it means nothing. */
double objective_ratio(const struct objective *objective, double value, double baseline_value);
/* A number of objective_value() on a scale on which the baseline's is 1. */
double objective_relative(const struct objective *objective, double value, double baseline_value);

/*
 * The number of objective_value() under accuracy and one other metric, from what the latter is relative to the
 * baseline and from the margin of the former.
 */
double objective_weigh(const struct objective *objective, const struct criterion *criterion,
		       double relative, double margin);

/* What is known of a measured trial when two are compared. */
struct candidate {
	bool feasible;
	double objective; /* of objective_value() */
	double merit;     /* of criterion_merit() */
	double margin;    /* of criterion_margin() */
	size_t fallbacks;
	int64_t number;
	bool insists; /* asked as such: supersedes earlier feasible ones */
	bool gains;   /* as much as the job looks for; false where it does not look */
};

/*
 * Whether `a` is to be preferred to the earlier best `b`. Feasible ones first; among them one
 * that gains, the later one that insists, else the smaller objective, by more than a thousandth, since latencies are noisy; then the larger
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
 * miss the criterion count nothing; the first of equals (docs/inc.md, "Several objectives"). Where a metric may be
 * negative, and a ratio has no order, the difference takes its place. `count` >= 1. `ret_values`
 * gets what decides for each row: the least wins; 0 is best and 1 worst in every metric.
 */
size_t objective_choose(const struct objective *objective, const struct criterion *criterion,
			const struct objective_row *baseline, const struct objective_row *rows,
			size_t count, double *ret_values);

#endif
