/*
 * Scores that were made elsewhere and are told to a job that is open; part of the job, pure.
 *
 * One event keeps them when they come, whatever the strategy does at that moment; another says when the strategy is shown
 * them, so that a replay shows them at the same place.
 */
#ifndef NARROWD_JOB_SCORES_TOLD_H
#define NARROWD_JOB_SCORES_TOLD_H

#include "job/job.h"
#include "space/rescored.h"

enum { SCORES_TOLD_MAX = 100 }; /* times; a replay hears of all before it applies the first */

/* What is told, read and ready to be recorded. All owned. */
struct scores_told {
	struct rescore *read;
	json_t *data; /* of the event */
	char *text;   /* the same */
	size_t bytes; /* of it */
};

/* Reads {"scores": {...}}: ERR_INVALID_FIELD with every fault, and nothing. Any thread. */
int scores_told_read(const struct spec *spec, json_t *body, struct scores_told *ret,
		     struct err *reterr);
/* Whether or not they were read or recorded. */
void scores_told_finish(struct scores_told *told);
/* Whether there is room for what was read: ERR_WRONG_STATE otherwise. */
int scores_told_room(const struct job *job, const struct scores_told *told, struct err *reterr);
/*
 * Records what was read. What is answered: how many operators have scores, and whether they are used. New reference.
 */
json_t *scores_told_record(struct job *job, struct scores_told *told);
/* Records that the strategy is shown the newest scores now; it has not seen them. */
void scores_told_take(struct job *job);

#endif
