/*
 * Operators that cannot be told apart: of the same kind and type, with the same prior, and lowered alike in every config
 * that was measured. Whatever is believed of one is believed of the others, to the last bit.
 */
#ifndef NARROWD_STRATEGIES_MODELS_ALIKE_H
#define NARROWD_STRATEGIES_MODELS_ALIKE_H

#include "strategies/models/effects.h"

/* What is known of operators besides their prior. */
struct alike_facts {
	uint16_t *const *options;    /* of each measurement, the choice of each operator */
	size_t count;                /* of measurements */
	const double *scores;        /* of each operator */
	const double *option_scores; /* of each option; or NULL */
};

/* Of each operator the first one that is like it, which may be itself. The caller frees. */
uint32_t *alike_find(const struct effects *effects, const struct alike_facts *facts);

#endif
