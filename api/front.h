/*
 * The Pareto front of a job: the trials that no other beats in both accuracy and every objective.
 *
 * Several objectives are one weighted number to whoever chooses among them. Who looks at a front chooses himself, and wants
 * to see what is measured: milliseconds, and how many times as fast.
 */
#ifndef NARROWD_API_FRONT_H
#define NARROWD_API_FRONT_H

#include "api/outcome.h"

/* The place among the objective's metrics of the one that is open beside accuracy, or of the only one; SIZE_MAX where several
 * are open. */
size_t front_metric(const struct spec *spec);
/* Writes the rows of QUERY_TOLD that are on the front to `ret`, which has room for all, the best accuracy first, and returns how
 * many there are. Any thread. */
size_t front_rows(const struct spec *spec, const struct store_rows *rows, size_t *ret);
/* What a row of QUERY_TOLD has measured: its accuracy, a weighted mean of several, and the metric of front_metric(), which there
 * must be. Any thread. */
void front_measured(const struct spec *spec, char *const *cells, double *ret_accuracy,
		    double *ret_value);
/* The page of GET .../pareto from rows of QUERY_TOLD, as text; the caller frees. NULL without memory. Any thread. */
char *front_text(const struct outcome *outcome, const struct store_rows *rows);

#endif
