/*
 * What each choice of each dimension adds to a number that trials measured, as if nothing else
 * mattered: ridge regression on indicators of the choices (Hoerl and Kennard: Ridge regression,
 * Technometrics 12, 1970), fitted by coordinate descent.
 *
 * For strategies that must rate many configs fast: a fit visits each trial a few times, a config is
 * rated by one look-up per dimension, a change of it by two. What sgp believes is more careful and
 * much slower.
 */
#ifndef NARROWD_STRATEGIES_ADDITIVE_H
#define NARROWD_STRATEGIES_ADDITIVE_H

#include "strategies/trials.h"

/* It learns from so many of the latest trials, so that a fit costs the same however many there are. */
enum { ADDITIVE_TRIALS = 256 };

/* What a trial measured, to be told apart: a margin, an objective. */
typedef double additive_response(const struct known *trial);

struct additive {
	const struct product *product; /* borrowed */
	size_t *starts;                /* of each digit's choices in the tables */
	double *effects;
	uint16_t *counts; /* in how many trials the choice was measured */
	double mean;      /* of the trials */
	double spread;    /* standard deviation of what the effects leave unexplained */
};

/* Learns from the trials that were told; the product must outlive it. */
void additive_init(struct additive *additive, const struct trials *trials,
		   additive_response *response);
void additive_finish(struct additive *additive);
/* The number to be expected of a config. */
double additive_at(const struct additive *additive, const uint16_t *digits);
/* What one choice of a digit adds. */
static inline double additive_effect(const struct additive *additive, size_t digit, uint16_t choice)
{
	return additive->effects[additive->starts[digit] + choice];
}
/* In how many of the trials the choice was measured. */
static inline size_t additive_count(const struct additive *additive, size_t digit, uint16_t choice)
{
	return additive->counts[additive->starts[digit] + choice];
}

#endif
