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
/* Sets `ret` of those rows of QUERY_TOLD that are on the front. Any thread. */
void front_mark(const struct spec *spec, const struct store_rows *rows, bool *ret);
/* The page of GET .../pareto from rows of QUERY_TOLD, as text; the caller frees. NULL without memory. Any thread. */
char *front_text(const struct outcome *outcome, const struct store_rows *rows);

#endif
