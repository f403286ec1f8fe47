/*
 * The kernels of a linear model: of each two rows, and for each group of features, what they have in common.
 */
#ifndef NARROWD_STRATEGIES_MODELS_KERNELS_H
#define NARROWD_STRATEGIES_MODELS_KERNELS_H

#include "strategies/models/linear.h"

/* Those of rows that have none yet with all before them; of the groups in `stale`, a bit for each, those of all rows. */
void kernels_make(struct linear *linear, unsigned stale);

#endif
