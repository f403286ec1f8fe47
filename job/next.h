/*
 * What a job wants done next: the decisions of a job that runs; part of the job, pure.
 *
 *	what came in --> events --> job_next() --> what is to be done --> events ...
 *
 * All of it follows from the log, from what is out at this moment and from the few circumstances that the caller
 * tells; so it can be called at any time and any number of times, and a restart goes on with the very next thing. What
 * follows from the log alone (a result settled, a best, a ranking, the end of an end game) is recorded on the way. Who
 * calls (tuner/turn.c) carries out one decision and asks again when something has changed.
 */
#ifndef NARROWD_JOB_NEXT_H
#define NARROWD_JOB_NEXT_H

#include "job/job.h"

enum next_step {
	NEXT_REST,     /* nothing: it waits for what is out, or for somebody. It needs no place */
	NEXT_BASELINE, /* ask for the baseline, under a place */
	NEXT_RETRY,    /* ask `trial` again, under a place */
	NEXT_CATCH_UP, /* let the strategy see what it has not seen; it is not asked */
	NEXT_STRATEGY, /* ask the strategy what to ask, with a place in hand */
	NEXT_CONFIRM, /* measure trial `trial` again, in round `round`, where `where` was measured if that can be */
	NEXT_END, /* it has ended: that is recorded */
	NEXT_STEPS_,
};

struct next {
	enum next_step step;
	int64_t trial;
	int64_t round;
	int where; /* an evaluator's place */
};

/* What the job cannot know by itself. */
struct circumstances {
	bool stopping; /* nothing new is asked */
	const char *
		down; /* what its evaluators said last, when none has been well for too long; or NULL */
};

/* Not while the strategy is lent, nor for a job that has ended. */
struct next job_next(struct job *job, const struct circumstances *around);

/* What follows the decisions. Each records it. */

/* NEXT_BASELINE: the trial to be asked. */
struct trial *job_ask_baseline(struct job *job);
/* NEXT_CONFIRM: the trial to be asked. */
struct trial *job_ask_again(struct job *job, const struct next *next);
/* The strategy has a question: the trial to be asked, or NULL when the answer is known already. */
struct trial *job_ask(struct job *job, const struct question *question);
/* The strategy has none. False when it waits for nothing, which is a fault of its own: it is taken as done. */
bool job_ask_nothing(struct job *job, enum step step);
/* The job's time is over. */
void job_time_out(struct job *job);

/* The trial has a result, or an early verdict. */
void job_after_result(struct job *job, struct trial *trial);
/* The trial has failed. */
void job_after_failure(struct job *job, struct trial *trial, const char *error);

#endif
