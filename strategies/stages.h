/*
 * The stages that plans are made of, one file each. What a stage leaves in the plan for later ones
 * is said here.
 */
#ifndef NARROWD_STRATEGIES_STAGES_H
#define NARROWD_STRATEGIES_STAGES_H

#include "strategies/plan.h"

/* Combo 0: every operator at its default, within its type. */
extern const struct stage stage_default;
/* The other combos. */
extern const struct stage stage_op_type_wise;
/* Asks nothing: waits for all results and makes the best config the base of what follows. */
extern const struct stage stage_base;
/* Each quantized operator of the base alone, the last first. Leaves the ranking. */
extern const struct stage stage_instance_fallback;
/* The ranking's operators together, the least harmful accuracy first: two, three, ... all. */
extern const struct stage stage_accumulated_fallback;

#endif
