/*
 * The end game: before a job hands over a config it finds out how sure that is; part of the job, pure.
 *
 * The measurement that made a config the best is the luckiest of many, so under noise it says too
 * much. When a job would complete by itself with a config that meets the criterion, it asks again, one
 * question at a time, in rounds that follow each other closely, so that what drifts drifts in both.
 *
 * Choice (round 0, once, and only where the measurements alone choose): the baseline, the winner and
 * the second best, if that is so near that noise may have put it there. The better mean is the choice.
 *
 * Proof (rounds 1, 2, ...): the baseline and the choice, at least `confirm` times, then more while the
 * interval of the gain leaves open whether it is as large as asked for, up to `confirm_max` and up to
 * a share of what the search itself has cost. What is said of the choice comes from these rounds alone,
 * the criterion's judgement included. A choice that misses the criterion is rejected. The next one is the
 * best of those that can bear what it lost more than at first, or the one that loses least.
 *
 * All of it follows from the log: a restart in the middle goes on in the middle. Rules 2; jobs under
 * rules 1 measure their winner again and compare accuracies (job/judge.c).
 */
#ifndef NARROWD_JOB_ENDGAME_H
#define NARROWD_JOB_ENDGAME_H

#include "job/job.h"

enum endgame_step { ENDGAME_ASK, ENDGAME_DONE };

struct endgame_next {
	enum endgame_step step;
	int64_t subject; /* to ask again: a trial, 0 for the baseline */
	int64_t round;
};

/* Whether the job has an end game when it ends for `reason`. */
bool endgame_applies(const struct job *job, const char *reason);
/* The trial that the job would hand over, NULL without one. `reason` is why it would end: when more
 * may be searched after a rejection, more than three choices may be tried. */
struct trial *endgame_choice(const struct job *job, const char *reason);
/* What a config must have to spare to be the next choice, as a share of what may be lost: as much as
 * those that were rejected have lost more than their first measurement said. 0 where nothing is. */
double endgame_excess(const struct job *job);
/* What to do next about that choice, while no question of the end game is out. */
struct endgame_next endgame_next(const struct job *job, const struct trial *choice);
/* The worker that took the first question of this one's round, for workers differ in more than noise;
 * NULL when this is the first, or none of the end game. Borrowed. */
const char *endgame_worker(const struct job *job, const struct trial *trial);
/* A question of the end game has its result: rejects the choice that it shows to miss the criterion.
 * Called by the fold. */
void endgame_weigh(struct job *job, const struct trial *told);
/* Why the choice is another than the strategy's, in words that the caller frees; NULL when it is not. */
char *endgame_overruled(const struct job *job, const struct trial *choice);

#endif
