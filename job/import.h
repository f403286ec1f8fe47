/*
 * Measurements made elsewhere, by people or by an earlier job: checked and made into events.
 */
#ifndef NARROWD_JOB_IMPORT_H
#define NARROWD_JOB_IMPORT_H

#include "job/job.h"

enum { IMPORT_TRIALS_MAX = 2500 }; /* in one call */

/* Data of trial_imported events, in order. */
struct import {
	json_t **list; /* owned */
	size_t count;
	size_t skipped; /* trials that are no measurement of a config: failed, repeated, ... */
};

/*
 * Reads {"trials": [...]}, each with config and measurement, as the API prints trials. Nothing is
 * taken when anything is wrong: ERR_INVALID_FIELD with every fault. Finish `ret` either way.
 */
int import_read(const struct job *job, json_t *body, struct import *ret, struct err *reterr);
/*
 * What a stored job of the same space found out: `history` is an array of QUERY_ANSWERED's events,
 * that which asked updated by that which told. What lacks a metric that this job needs is skipped.
 */
void import_copy(const struct job *job, json_t *history, struct import *ret);
void import_finish(struct import *import);
/* Records all of them. */
void import_record(struct job *job, struct import *import);

#endif
