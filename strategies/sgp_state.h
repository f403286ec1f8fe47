/*
 * What sgp knows and believes: the fold of its events. What it asks then is in sgp.c.
 */
#ifndef NARROWD_STRATEGIES_SGP_STATE_H
#define NARROWD_STRATEGIES_SGP_STATE_H

#include "strategies/alphas.h"
#include "strategies/models/acquire.h"
#include "strategies/models/front.h"
#include "strategies/models/loss_model.h"

struct sgp {
	const struct problem *problem; /* borrowed, or `rescored` */
	struct problem rescored;       /* with scores that were told */
	struct beliefs beliefs;
	bool wants_scores;
	bool score_asked, score_told;
	bool news;                    /* that was not thought about yet */
	size_t fits;                  /* of the models so far, which is what sgp's time goes into */
	size_t learnt;                /* known trials at the last learning */
	size_t told;                  /* trials that were measured, without the baseline */
	size_t improved_at;           /* told, when one of the two below became better */
	double evidence[LOSS_NOISES]; /* how probable noises are by the latest learning */
	double noises[LOSS_NOISES];   /* and with what near copies or repeats say */
	bool met;                     /* whether a trial has met the criterion */
	double jitter;                /* of the objective, as repeats say; NAN without them */
	struct alphas alphas;
	struct front front; /* where the accuracy is open, too */
	double covered;     /* of it, when it last grew by much */
	/* Indexes in trials, or SIZE_MAX. */
	size_t accepted;  /* what is to be handed over */
	size_t surest;    /* what is instead where nothing is sure enough */
	size_t candidate; /* what would be, if one were sure */
	size_t doubted;   /* what is worth measuring again */
};

/* `sgp` is zeroed, and stays where it is. */
void sgp_state_init(struct sgp *sgp, const struct problem *problem);
void sgp_state_finish(struct sgp *sgp);
void sgp_state_apply(struct sgp *sgp, const struct event *event);
/* Of one event after the other, but thinks about all of them at once. */
void sgp_state_catch_up(struct sgp *sgp, const struct event *events, size_t count);
/* Of all that was told since the last time. Also for who may only look: what is thought follows from what was told,
 * whenever that is. */
const struct sgp *sgp_state_think(void *state);
/* Whether the whole front is searched, and not what is best within the criterion. */
bool sgp_state_is_open(const struct sgp *sgp);
/* How much a config may lose that so many measurements as one may have are to prove to meet the criterion: all that may be
 * lost while none that was measured again came out otherwise. */
double sgp_state_provable(const struct sgp *sgp);
/* Whether it is open that the fastest that was measured to meet the criterion does. */
bool sgp_state_doubts(const struct sgp *sgp);
/* The trial from which on that is settled by repeats: there is little to be doubted while one operator that
 * ruins everything may still be looked for. */
size_t sgp_state_doubts_from(const struct sgp *sgp);

#endif
