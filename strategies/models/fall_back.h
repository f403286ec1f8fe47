/*
 * The way down when nothing has met the criterion: the most sensitive operators back in high precision.
 */
#ifndef NARROWD_STRATEGIES_MODELS_FALL_BACK_H
#define NARROWD_STRATEGIES_MODELS_FALL_BACK_H

#include "strategies/models/acquire.h"

/* The `count` operators that lose most by the model in their highest precision, the others as default. The
 * caller destroys it. */
struct config *fall_back_config(const struct effects *effects, const struct linear *loss,
				size_t count);
/* After `told` trials none of which met the criterion: twice as many operators every second time. NULL when it
 * is not its turn, or was asked; the caller destroys it. */
struct config *fall_back_late(const struct beliefs *beliefs, size_t told, bool met);

#endif
