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
 * taken when anything is wrong: ERR_INVALID_FIELD with every fault. Finish `ret` either way. Any thread.
 */
int import_read(const struct spec *spec, json_t *body, struct import *ret, struct err *reterr);
/*
 * What a stored job of the same space found out: `history` is an array of QUERY_ANSWERED's events,
 * that which asked updated by that which told. What lacks a metric that this job needs is skipped.
 */
void import_copy(const struct spec *spec, json_t *history, struct import *ret);
void import_finish(struct import *import);
/* Whether there is room for as many trials: a fault at /trials otherwise. */
int import_check(const struct job *job, const struct import *import, struct err *reterr);
/* Records all of them, judged when it is known what they are judged by. */
void import_record(struct job *job, struct import *import);

#endif
