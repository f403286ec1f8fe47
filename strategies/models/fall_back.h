/*
 * The way down when nothing has met the criterion: the most sensitive operators back in high precision.
 */
#ifndef NARROWD_STRATEGIES_MODELS_FALL_BACK_H
#define NARROWD_STRATEGIES_MODELS_FALL_BACK_H

#include "strategies/models/effects.h"
#include "strategies/models/linear.h"

/* The `count` operators that lose most by the model in their highest precision, the others as default. The
 * caller destroys it. */
struct config *fall_back_config(const struct effects *effects, const struct linear *loss,
				size_t count);

#endif
