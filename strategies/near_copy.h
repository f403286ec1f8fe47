/*
 * Configs that differ so little that they should lose the same: how far they do not is noise.
 *
 * A model with many features explains nearly everything without noise, and as well with it; two
 * measurements of nearly the same thing tell. Measuring one config twice would not: an evaluator
 * that always takes the same samples answers the same, and how lucky they are stays unknown.
 */
#ifndef NARROWD_STRATEGIES_NEAR_COPY_H
#define NARROWD_STRATEGIES_NEAR_COPY_H

#include "strategies/acquire.h"
#include "strategies/loss_model.h"

/*
 * Takes what near copies among the latest measurements say into `noises`, the probabilities of the levels
 * that loss_noises lists.
 */
void near_copy_weigh(const struct linear *loss, const struct effects *effects,
		     const struct measured *data, double *noises);
/*
 * A new config that is a trial's but for one operator and should lose the same, the fastest by what
 * is believed; the caller destroys it. NULL when there is none.
 */
struct config *near_copy_make(const struct beliefs *beliefs, size_t trial);

#endif
