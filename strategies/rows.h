/*
 * What was measured, as models of losses and latencies take it: every measurement is a row.
 */
#ifndef NARROWD_STRATEGIES_ROWS_H
#define NARROWD_STRATEGIES_ROWS_H

#include "strategies/alphas.h"
#include "strategies/models/effects.h"

/* `timed` are those of `options` whose latencies are known, relative to the baseline's. All owned. */
struct rows {
	uint16_t **options, **timed;
	double *losses, *latencies;
	size_t count, timed_count;
};

void rows_init(struct rows *rows, const struct trials *trials, const struct effects *effects,
	       const struct problem *problem, const struct alphas *alphas);
void rows_finish(struct rows *rows);
/* The selection that a config is; the caller frees it. */
uint16_t *rows_options(const struct effects *effects, const struct config *config);

#endif
