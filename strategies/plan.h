/*
 * A plan: what all staged strategies have in common. It runs a list of stages, one after the
 * other, once for each calibration sampling size.
 *
 * A stage is a list of questions, answered by index; how long it is may grow while its answers
 * come in. A stage is over when everything in it was asked and, if it learns from its answers,
 * when they are in. Stages change plans only on events, so asking is free of side effects.
 */
#ifndef NARROWD_STRATEGIES_PLAN_H
#define NARROWD_STRATEGIES_PLAN_H

#include "strategies/combos.h"
#include "strategies/strategy.h"

struct plan;

struct stage {
	const char *name; /* what its trials are marked with */
	bool barrier;     /* entered only when all earlier results are in */
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
};

/* A question that is out. */
struct plan_flight {
	int64_t trial;
	size_t round, step;
	uint64_t index;
};

/* An operator to put into a higher precision, and what that alone did to the accuracy. */
struct plan_ranked {
	uint32_t op;
	uint32_t place; /* before sorting: settles ties */
	double merit;   /* -INFINITY when the trial failed */
};

struct plan {
	const struct space *space;
	const struct plan_step *steps;
	size_t round, rounds; /* calibration sizes; the plan is over when both are equal */
	size_t step;
	uint64_t asked, length; /* in this step */
	struct plan_flight *flights;
	size_t flight_count;
	struct combos combos;
	/* The best merit of this round; ties keep the lower trial. NULL while nothing succeeded. */
	const struct config *best;
	int64_t best_trial;
	double best_merit;
	uint16_t
		*base; /* choices that stages start from: the default until it is set to the best */
	struct plan_ranked *ranking; /* room for all operators */
	size_t ranking_count;
};

/* `state` is zeroed; `steps` is static. The first stage is entered. */
void plan_init(struct plan *plan, const struct problem *problem, const struct plan_step *steps);

/* For the tables of strategies whose state is a plan. */
size_t plan_state_size(const struct problem *problem);
void plan_apply(void *state, const struct event *event);
enum step plan_next(const void *state, struct rng rng, struct question *out);
void plan_finish(void *state);

/* For stages: a copy of the base to change; plan_evaluate() takes it over and asks for it. */
uint16_t *plan_base_copy(const struct plan *plan);
void plan_evaluate(const struct plan *plan, uint16_t *choices, struct question *out);
/* Puts the operator to the precision of the current step, which it must support. */
void plan_fall_back(const struct plan *plan, uint32_t op, uint16_t *choices);

#endif
