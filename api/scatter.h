/*
 * A scatter plot of a job that leaves accuracy and another metric open, with that metric as measured. The store draws those of
 * other jobs: it knows of a trial what weighs both, and not the metrics one by one.
 */
#ifndef NARROWD_API_SCATTER_H
#define NARROWD_API_SCATTER_H

#include "api/outcome.h"

/* Whether the plot is of that kind. */
bool scatter_is_open(const struct spec *spec);
/* The page of GET .../charts/scatter from rows of QUERY_TOLD, as text; the caller frees. NULL without memory. Any thread. */
char *scatter_text(const struct outcome *outcome, const struct store_rows *rows);

#endif
