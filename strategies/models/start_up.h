/*
 * What models of no structure ask before they know enough: who is to blame for failures, how strategies
 * open, and draws between the default and the baseline.
 */
#ifndef NARROWD_STRATEGIES_MODELS_START_UP_H
#define NARROWD_STRATEGIES_MODELS_START_UP_H

#include "strategies/models/opening.h"

struct start_up {
	const struct problem *problem; /* borrowed */
	const struct trials *trials;   /* borrowed */
	struct effects effects;
	bool opens;
	size_t draws;
};

/* `opens`: with configs that treat all operators alike; then `draws` draws, as trials_begin() has them. */
void start_up_init(struct start_up *start_up, const struct problem *problem,
		   const struct trials *trials, bool opens, size_t draws);
void start_up_finish(struct start_up *start_up);
/* STEP_ASK or STEP_WAIT; STEP_DONE when it is the model's turn. */
enum step start_up_next(const struct start_up *start_up, struct rng *rng, struct question *out);

#endif
