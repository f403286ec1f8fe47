/*
 * How strategies that learn open: with configs that treat all operators alike, because options of real
 * frameworks are often switches of the whole model, and every border between precisions costs a conversion.
 */
#ifndef NARROWD_STRATEGIES_MODELS_OPENING_H
#define NARROWD_STRATEGIES_MODELS_OPENING_H

#include "strategies/models/effects.h"
#include "strategies/models/trials.h"

/*
 * The next of them that is new: all operators in each other quantized mode; where the default misses the criterion
 * or is no faster than the baseline, each mode alone; each other value of an option that they share, unless the strategy has chosen one; then, where the default ruins the accuracy or is no faster than the
 * baseline, the heaviest types of operators alone. At most eight. NULL when that is over, the default's result is
 * awaited, or under rules 1. The caller destroys it.
 */
struct config *opening_make(const struct effects *effects, const struct trials *trials,
			    const struct problem *problem);

#endif
