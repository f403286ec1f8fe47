/*
 * A plan: what all staged strategies have in common. It runs a list of stages, one after the
 * other, once for each calibration sampling size.
 *
 * A stage is a list of questions, answered by index; how long it is may grow while its answers
 * come in. A stage is over when everything in it was asked and, if it learns from its answers,
 * when they are in. Stages change plans only on events, so asking is free of side effects.
 */
#ifndef NARROWD_STRATEGIES_PLAN_PLAN_H
#define NARROWD_STRATEGIES_PLAN_PLAN_H

#include "space/combos.h"
#include "strategies/interface/strategy.h"

struct plan;

struct stage {
	const char *name; /* what its trials are marked with */
	bool barrier;     /* entered only when all earlier results are in */
	bool insists;     /* once it has asked, the job goes on; see struct question */
	bool ranks;       /* its answers are ranked; see struct question */
	/* Sets plan->length, which is 0 before, and whatever else the stage needs. */
	void (*enter)(struct plan *plan);
	/* Question `index`, index < plan->length. NULL for a stage that asks nothing. */
	void (*ask)(const struct plan *plan, uint64_t index, struct question *out);
	/* A result, or the failure, of question `index`; may add to plan->length. NULL for a stage
	 * that learns nothing from its own answers. */
	void (*told)(struct plan *plan, uint64_t index, const struct event *event);
};

struct plan_step {
	const struct stage *stage; /* NULL ends a list */
	enum mode precision;       /* of fallback stages: what operators are put to */
	const char *method;        /* of score stages */
	uint32_t limit;            /* of op_type_wise: how many combos at most; 0 is all */
	bool limit_to_ops;         /* ... and no more than there are quantized operators */
	bool once;                 /* for the first calibration size only */
};

/* A question that is out. */
struct plan_flight {
	int64_t trial;
	size_t round, step;
	uint64_t index;
};

/* Something to put into a higher precision, and what that alone did to the accuracy. */
struct plan_ranked {
	uint32_t op;    /* or a block */
	uint32_t place; /* before sorting: settles ties */
	double merit;   /* -INFINITY when the trial failed */
};

/* Of a search for how many operators must fall back: see stage_bisect. */
struct plan_bisection {
	size_t missed;  /* so many of the ranking are too few, or failed and were passed over */
	size_t enough;  /* so many met the criterion; more than there are while none did */
	size_t *failed; /* ... so many between the two could not be run, the most first; owned */
	size_t failed_count;
	size_t end;    /* the ranking's operators before this one are still to be quantized again */
	size_t chunk;  /* ... so many at once */
	size_t spoilt; /* from here to `end` they were tried at once and missed; or >= end */
};

struct plan {
	const struct space *space;
	bool partial;               /* questions that rank are answered on part of the data */
	bool wants_gain;            /* that something meets the criterion is not the end */
	struct plan_step *steps;    /* owned */
	size_t round, rounds;       /* calibration sizes; the plan is over when both are equal */
	bool content;               /* it is over because what was found is enough */
	bool lowered;               /* a plan of precisions alone: nothing is quantized */
	bool skipped[MODE_COUNT];   /* precisions that are not wanted */
	int64_t confidence_batches; /* of score questions; 0: the evaluator's own default */
	const char *loss;           /* of score questions, or NULL */
	bool blocks_by_impact;      /* blocks alone first, then together in the order of impact */
	size_t step;
	uint64_t asked, length; /* in this step */
	struct plan_flight *flights;
	size_t flight_count;
	struct combos combos;
	/* The best merit since stage_restart or the start of the round. NULL while nothing succeeded. */
	const struct config *best;
	int64_t best_trial;
	double best_merit;
	bool met;      /* some trial since then met the criterion */
	bool last_met; /* the trial with the highest number did */
	int64_t last_trial;
	bool latest;       /* among equals the latest is the best; otherwise the first */
	bool holding;      /* an insisting stage has asked, and no other kind was entered since */
	uint16_t alpha;    /* the choice of smooth_quant_alpha that new starts keep */
	uint16_t *base;    /* choices that stages start from: the default until a stage sets it */
	uint16_t *current; /* what adaptive stages have come to, from step to step */
	struct plan_ranked *ranking; /* room for all operators and all blocks */
	size_t ranking_count;
	struct plan_bisection bisection;
	double *scores; /* per operator: what score stages were told; higher suffers more */
	bool scored;    /* whether they are of this precision */
	bool halves;    /* without scores the bisection begins in the middle */
	/* Sets of operators that were in higher precision together: mse_v2's memory. */
	struct op_list *records;
	size_t record_count;
};

/* `state` is zeroed but for `lowered`. The steps are those of the lists one after the other, after
 * the alphas where none has those; `lists` ends with NULL. Call plan_start() when the rest of the state is set. */
void plan_init(struct plan *plan, const struct problem *problem,
	       const struct plan_step *const *lists);
/* Enters the first stage. */
void plan_start(struct plan *plan);

/* For the tables of strategies whose state is a plan. */
size_t plan_state_size(const struct problem *problem);
void plan_apply(void *state, const struct event *event);
enum step plan_next(const void *state, struct rng rng, struct question *out);
void plan_finish(void *state);
bool plan_holds(const void *state);

/* For stages. A new vector of choices, to change and to give to plan_evaluate(). */
uint16_t *plan_copy(const struct plan *plan, const uint16_t *choices);
/* Asks for a config; takes `choices` over. */
void plan_evaluate(const struct plan *plan, uint16_t *choices, struct question *out);
/* Asks for the scores of operators: out->ops has room for all and is to be filled. */
void plan_score(const struct plan *plan, const uint16_t *choices, const char *phase,
		struct question *out);
/* Writes the best config since the last start, or the base without one. */
void plan_best_so_far(const struct plan *plan, uint16_t *choices);
/* Puts the operator to the precision of the current step, which it must support. */
void plan_fall_back(const struct plan *plan, uint32_t op, uint16_t *choices);
/* Overwrites a vector with the default, under this round's size and the alpha that is kept. */
void plan_reset(const struct plan *plan, uint16_t *choices);
const struct plan_step *plan_step(const struct plan *plan);
/* The operators that `choices` has quantized (or, on a plan of precisions alone, lowered) and that
 * support the precision of the step: static ones in the capability's order, then dynamic, ...
 * Writes at most space->op_count indexes to `ret` and returns how many. */
size_t plan_candidates(const struct plan *plan, const uint16_t *choices, uint32_t *ret);
/* How many of the ranked that were tried alone need not be tried again: one, unless that was on part
 * of the data, where nothing is accepted. */
size_t plan_tried_alone(const struct plan *plan);
/* Orders the ranking by merit, the best first; ties keep their place. */
void plan_rank(struct plan *plan);
void plan_forget_records(struct plan *plan);
/* Starts anew from the default, as another strategy would. */
void plan_forget_best(struct plan *plan);

#endif
