/*
 * Measurements made elsewhere: what people hand in, checked and made into events of a job.
 */
#ifndef NARROWD_TUNER_IMPORT_H
#define NARROWD_TUNER_IMPORT_H

#include "tuner/job.h"

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
void import_finish(struct import *import);
/* Records all of them. */
void import_record(struct job *job, struct import *import);

#endif
