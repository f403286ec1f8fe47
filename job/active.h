/*
 * The states of a job and the time that it has been active: what it records when it begins, pauses, goes on or ends, and
 * how much of its time is left. Part of the job, pure: the clock is given.
 */
#ifndef NARROWD_JOB_ACTIVE_H
#define NARROWD_JOB_ACTIVE_H

#include "job/job.h"

/* {"active_s": n} as of now, and what else the caller packs in. New reference. */
json_t *job_active(struct job *job);
/* Starts or stops the job's clock as its state wants. After each change of state; the functions below do it
 * themselves, whoever has replayed a log does it once. */
void job_clock(struct job *job);
/* Seconds that it has been active by now. */
double job_active_s(const struct job *job);
/* How long it may go on, in ms, 0 when its time is over; -1 while nothing limits it. */
int64_t job_left_ms(const struct job *job);

/* Records the next state, none that ends it. */
void job_move(struct job *job, enum job_state state);
/* Records that it is paused, and who is to blame: a name, or NULL. */
void job_pause(struct job *job, const char *reason, const char *detail, const char *by);
/* Records that it goes on where it was. */
void job_resume(struct job *job);
/* Records its end: whatever is still out is cancelled, and a best that the acceptance data was to judge is not to be shipped. */
void job_end(struct job *job, enum job_state state, const char *reason, const char *detail);
/* The same once the end game has said what it makes of the best. */
void job_end_judged(struct job *job, enum job_state state, const char *reason, const char *detail);

#endif
