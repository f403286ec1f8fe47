/*
 * A run: an open job together with what moves it; private to the tuner.
 *
 * The job (job.h) is pure; the run owns its timers, its place at the evaluator, the questions
 * that are out (flights), the strategy's turn on a pool thread and the writes that are on their
 * way to the disk. It lives until the last of these has come back.
 */
#ifndef NARROWD_TUNER_RUN_H
#define NARROWD_TUNER_RUN_H

#include "tuner/parts.h"

/* Takes over `job`, of which the owner's quota knows. The run is in the tuner's map afterwards. */
struct run *run_create(struct tuner *tuner, struct job *job, const char *owner, int64_t bytes);
/* The job has so many bytes more of its owner's quota, until it is closed. */
void run_grow(struct run *run, size_t bytes);
void run_ref(struct run *run);
void run_unref(struct run *run);
/* Something changed: take a turn soon. */
void run_wake(struct run *run);
/* What the job recorded and nobody has stored yet, as the store takes it; job->row_count events. Any thread.
 * Free with run_events_free(). */
struct log_event *run_events(const struct job *job);
void run_events_free(struct log_event *events, size_t count);
/* Hands what was recorded to the store; done (may be NULL) comes when it is on disk. */
void run_flush(struct run *run, const struct store_key *key, tuner_done_fn done, void *arg);
/* Takes the run out of the tuner; nothing is recorded. */
void run_close(struct run *run);
/* The job may have another state, or another limit, than before: what has ended flies no more, what is paused gives
 * nothing to workers, and the timer of its time is set. After whatever can change a state, at once. */
void run_follow(struct run *run);
/* A run whose job has not ended; NULL with err, which it sets anew. */
struct run *run_open(struct tuner *tuner, const char *job, struct err *reterr);
/* The same, also while an end is on its way to the disk. */
struct run *run_known(struct tuner *tuner, const char *job, struct err *reterr);
/* Frees a job that nobody runs: when it has many trials, beside the loop. */
void run_forget_job(const struct tuner_io *io, struct job *job);

#endif
