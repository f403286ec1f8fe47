/*
 * A trial in memory: numbers, and what was asked and answered as text.
 *
 * There are a hundred thousand of them, and a tree of JSON takes ten times as much as its text. So a text is kept, of what
 * may be wanted again, and read when it is wanted.
 */
#ifndef NARROWD_JOB_TRIAL_H
#define NARROWD_JOB_TRIAL_H

#include "job/job.h"

/* A place for a trial that nobody has asked yet. */
struct trial *trial_create(struct job *job, int64_t number);
void trial_destroy(struct trial *trial);
/* Notes that it was asked, by an event's data, and keeps what of these no other member has: all that scores were asked
 * for, and the part of the data. */
void trial_keep_question(struct trial *trial, const json_t *data);
/* What was kept, or NULL. New reference. */
json_t *trial_question(const struct trial *trial);
/* Keeps of what came, an event's data, what is wanted again. */
void trial_keep_told(struct trial *trial, const json_t *data);
/* The same, NULL without it. New reference. */
json_t *trial_told(const struct trial *trial);
/* Its objective_value is another one. */
void trial_revalue(struct trial *trial, const json_t *value);

#endif
