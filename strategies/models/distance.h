/*
 * How much two configs differ in one digit: the Hamming distance of what the choices consist of.
 *
 * Choices of another mode differ by 1/2, and by 1/4 for each item (scheme, granularity, algorithm,
 * ...) that they do not share, so that what is learnt of one option is believed of similar ones.
 * Sums of such distances are conditionally negative definite, as kernels of them need. An ordered
 * digit counts with the square of its distance instead.
 */
#ifndef NARROWD_STRATEGIES_MODELS_DISTANCE_H
#define NARROWD_STRATEGIES_MODELS_DISTANCE_H

#include "strategies/models/trials.h"

struct distance {
	const struct trials *trials; /* borrowed */
	/* In quarters, choices x choices, by kind; NULL where that would be large. Owned. */
	uint8_t **tables;
};

void distance_init(struct distance *distance, const struct trials *trials);
void distance_finish(struct distance *distance);
double distance_of(const struct distance *distance, size_t digit, uint16_t a, uint16_t b);
/* Adds to ret[i] the weighted distance of `choice` to that of trial rows[i]. */
void distance_add(const struct distance *distance, size_t digit, uint16_t choice, double weight,
		  const size_t *rows, size_t count, double *ret);

#endif
