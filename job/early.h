/*
 * Early verdicts on trials: what a worker reports while it measures, and whether that is enough.
 */
#ifndef NARROWD_JOB_EARLY_H
#define NARROWD_JOB_EARLY_H

#include <jansson.h>

#include "strategies/interface/verdict.h"
#include "job/job.h"

struct early {
	enum verdict verdict;
	struct progress progress;
	double estimate; /* of the accuracy */
	double margin;   /* of the estimate; see struct event */
};

/*
 * Reads the body of a heartbeat, {"progress": {...}}; without progress, or where there is nothing to
 * decide, the verdict is open, and `progress` has 0 of what was not said. -ERR_INVALID_FIELD with every fault.
 */
int early_read(json_t *body, const struct trial *trial, struct early *ret, struct err *reterr);
/* Pointers of what the body has besides: no fault, but somebody meant something by it. New reference. */
json_t *early_strangers(json_t *body);
/* Data of trial_pruned. New reference. */
json_t *early_json(const struct early *early);

#endif
