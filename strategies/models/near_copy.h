/*
 * Configs that differ so little that they should lose the same: how far they do not is noise.
 *
 * A model with many features explains nearly everything without noise, and as well with it; two
 * measurements of nearly the same thing tell. Measuring one config twice would not: an evaluator
 * that always takes the same samples answers the same, and how lucky they are stays unknown.
 *
 * What was taken for next to nothing may be an operator that matters. So no pair decides alone, and
 * pairs that differ in the same operator count once.
 */
#ifndef NARROWD_STRATEGIES_MODELS_NEAR_COPY_H
#define NARROWD_STRATEGIES_MODELS_NEAR_COPY_H

#include "strategies/models/acquire.h"
#include "strategies/models/loss_model.h"

/*
 * Takes what near copies among the latest measurements say into `noises`, the probabilities of the levels
 * of loss_model_noise(). Writes for each operator whether one that differs in it was among them.
 */
void near_copy_weigh(const struct linear *loss, const struct effects *effects,
		     const struct measured *data, double *noises, bool *ret_told);
/*
 * A new config that is a trial's but for one operator that has told nothing yet, and should lose the
 * same: the fastest by what is believed. The caller destroys it; NULL when there is none.
 */
struct config *near_copy_make(const struct beliefs *beliefs, size_t trial);

#endif
