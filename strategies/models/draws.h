/*
 * What operators may make of their expected losses: many draws of all factors at once, each of which
 * explains what was measured.
 *
 * A normal belief has one hump. After a few trials what is known has many: it was this operator that
 * ruined the config, or that one, and hardly ever a little of both. Draws keep them apart.
 */
#ifndef NARROWD_STRATEGIES_MODELS_DRAWS_H
#define NARROWD_STRATEGIES_MODELS_DRAWS_H

#include "strategies/models/effects.h"
#include "strategies/models/linear.h"
#include "strategies/models/loss_model.h"

enum { DRAWS = 96 };

struct draws {
	const struct effects *effects; /* borrowed */
	double *factors;               /* of each operator, in each draw; owned */
	double *bases;                 /* what each option loses with a factor of 1; owned */
	/* Of the power law that each draw's factors follow: its exponent and its least factor. */
	double exponents[DRAWS], leasts[DRAWS];
	bool begun;
};

void draws_init(struct draws *draws, const struct effects *effects);
void draws_finish(struct draws *draws);
/*
 * Goes on from the draws before, so call it after every measurement. `loss` says how options of one operator
 * relate and how noisy measurements are.
 */
void draws_update(struct draws *draws, const struct linear *loss, const struct measured *data,
		  struct rng rng);
/* Whether all that was measured is far from the criterion: what ruins it is a few operators, more or less at
 * once, and the way down is too long. */
bool draws_ruined(const struct measured *data);
/*
 * Turns what a selection loses in each draw, DRAWS numbers, into what another loses; cheap where they differ
 * little. `from` NULL stands for a selection of nothing, which loses 0.
 */
void draws_move(const struct draws *draws, const uint16_t *from, const uint16_t *to,
		double *losses);
/*
 * How many of the draws, from the first on, the two below are of. With many operators not all: what avoids the
 * operators that these suspect says nothing about those that nobody has suspected yet, which the other draws
 * are to judge.
 */
size_t draws_proposing(const struct draws *draws);
/* That what loses so much truly loses the limit, or less; 1 is what may be lost. */
double draws_probability(const struct draws *draws, const double *losses, double limit);
/* What each option loses: in one of the draws, and on average over them. */
void draws_one(const struct draws *draws, struct rng *rng, double *ret);
void draws_mean(const struct draws *draws, double *ret);

#endif
