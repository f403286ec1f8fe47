/*
 * What a job has measured of each config, all measurements together, and of the baseline; as another tolerable loss sees it.
 * Any thread.
 */
#ifndef NARROWD_API_POOLED_H
#define NARROWD_API_POOLED_H

#include "job/job.h"

/* A config, or the baseline, and the sums of all that was measured of it, and then the means. */
struct pooled {
	json_t *trial;         /* the first measurement; owned */
	struct config *config; /* owned, NULL is the baseline's */
	bool idle;             /* nothing is lowered in it: it is the baseline again */
	double accuracy[LIMIT_METRICS], values[LIMIT_METRICS];
	size_t count, judged; /* measurements, and those of them on all of the data */
	double *each;         /* values of one measurement behind those of the one before; owned */
	double rejected; /* the largest loss at which the job rejected it; NAN where it did not */
	struct candidate candidate;
};

/* All that is chosen among; [0] is the baseline. */
struct pooled_all {
	const struct spec *spec;
	struct criterion criterion; /* the job's, with another tolerable loss; names are borrowed */
	struct pooled *list;        /* owned */
	size_t count;
};

/* Takes a row of QUERY_MEASURED in, in the order of the rows; the list has room for one of each. `partly`: on part of the data. */
void pooled_take(struct pooled_all *all, const char *document, const char *changes, bool partly);
/*
 * Where the job holds its own choice to the later measurements of the baseline alone, since the machine was another when the
 * first was made, everything is held to these. With acceptance data it always does, and here all times count. `own` is the
 * job's best.
 */
void pooled_hold_as(const struct spec *spec, const json_t *own, struct pooled *base);
/* Makes means of the sums, and judges them; the baseline before all others. */
void pooled_judge(struct pooled_all *all, struct pooled *of);
/* By what share measurements of one config differ from each other: their standard deviation, over all that were measured more than
 * once. NAN while there are none, and where several metrics count or one is not above 0. */
double pooled_scatter(const struct pooled_all *all);
void pooled_finish(struct pooled_all *all);

#endif
