/*
 * What each choice of each dimension adds to a number that trials measured, as if nothing else
 * mattered: ridge regression (Hoerl and Kennard: Ridge regression, Technometrics 12, 1970) on
 * indicators of the choices and, as the choices of one mode resemble each other, of the modes,
 * fitted by coordinate descent.
 *
 * For strategies that must rate many configs fast: a fit visits each trial a few times, a config is
 * rated by one look-up per dimension, a change of it by two. What sgp believes is more careful and
 * much slower.
 */
#ifndef NARROWD_STRATEGIES_MODELS_ADDITIVE_H
#define NARROWD_STRATEGIES_MODELS_ADDITIVE_H

#include "strategies/models/trials.h"

/* It learns from so many of the latest trials: a fit costs the same however many there are. */
enum { ADDITIVE_TRIALS = 256 };

/* The number that a trial measured: its margin, its objective. NAN leaves the trial out, as early
 * verdicts have no objective. */
typedef double additive_response(const struct known *trial);

struct additive {
	const struct product *product; /* borrowed */
	size_t *starts;                /* of each digit's choices among the effects */
	double *effects;
	double mean;   /* of the trials */
	double spread; /* standard deviation of what the effects leave unexplained */
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

#endif
