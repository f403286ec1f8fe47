/*
 * The accuracy criterion: how much may be lost, and whether a measurement loses more.
 *
 * Formulas: design of INC with its faults fixed: the bound is relative to |baseline|, compared
 * inclusively in both directions with a tolerance for rounding.
 */
#ifndef NARROWD_STRATEGIES_INTERFACE_CRITERION_H
#define NARROWD_STRATEGIES_INTERFACE_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

struct criterion_metric {
	char *name;    /* owned; NULL when there is only the one accuracy */
	double weight; /* 0 when none was given */
	bool higher_is_better;
	double tolerable_loss;
};

struct criterion {
	int64_t rules; /* of the job */
	bool relative;
	bool weighted;       /* several accuracies, compared as their weighted mean */
	size_t metric_count; /* accuracies in an answer, >= 1 */
	struct criterion_metric metrics[LIMIT_METRICS];
	/* Set by criterion_fix(): */
	bool fixed;
	double baseline[LIMIT_METRICS];
	double bound[LIMIT_METRICS]; /* only [0] when weighted */
};

void criterion_finish(struct criterion *criterion);
/* Derives the bounds from the baseline's accuracies. ERR_INVALID_FIELD for a relative criterion
 * and a baseline of 0, and where a bound is too large for a number. */
int criterion_fix(struct criterion *criterion, const double *baseline, struct err *reterr);
/* What rounding may make of the bound of accuracy `i`: 1e-9 * max(|bound|, |baseline|); by the first
 * rules 1e-9 * max(1, |bound|), which lets everything through where accuracies are smaller. */
double criterion_tolerance(const struct criterion *criterion, size_t i);
/* What to say of a share of an accuracy that is more than all of it: it is often meant in percent. The caller frees. */
char *criterion_too_much(double loss);
/* Inclusive, with that tolerance. */
bool criterion_meets(const struct criterion *criterion, const double *accuracy);
/*
 * One number to order measurements by, higher is always better: the accuracy itself (negated when
 * lower is better), or the smallest margin when several accuracies must each hold.
 */
double criterion_merit(const struct criterion *criterion, const double *accuracy);
/* Distance to the bound in units of what may be lost; negative when it misses. Once fixed. */
double criterion_margin(const struct criterion *criterion, const double *accuracy);
/* The accuracy when one number stands for all: the weighted mean, or the first without weights. */
double criterion_accuracy(const struct criterion *criterion, const double *accuracy);
/* The loss against the baseline as the criterion measures it (relative or absolute); infinite when
 * it is too large for a number. */
double criterion_loss(const struct criterion *criterion, const double *accuracy);

#endif
