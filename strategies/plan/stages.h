/*
 * The stages that plans are made of. What a stage leaves in the plan for later ones is said here;
 * what each does is in docs/inc.md and docs/strategies.md.
 */
#ifndef NARROWD_STRATEGIES_PLAN_STAGES_H
#define NARROWD_STRATEGIES_PLAN_STAGES_H

#include "strategies/plan/plan.h"

/* stage_default.c: every operator at its own default, or at combo 0 of its type. */
extern const struct stage stage_initial;
extern const struct stage stage_default;
/* The other combos. */
extern const struct stage stage_op_type_wise;

/* stage_uniform.c: the default; each other value of each option that is uniform, for all operators; and the best of
 * these becomes the base. Plans have them only where some option is uniform. */
extern const struct stage stage_uniform_first;
extern const struct stage stage_uniform;
extern const struct stage stage_uniform_base;

/* stage_base.c: these ask nothing; they wait for all results. The best config so far becomes the
 * base of what follows; or all is forgotten but the alpha; or the plan ends if something met. */
extern const struct stage stage_base;
extern const struct stage stage_restart;
extern const struct stage stage_gate;

/* stage_recipes.c: the best config so far, with the operators of all recipes in fp32, or of one. */
extern const struct stage stage_all_recipes;
extern const struct stage stage_recipe;
/* stage_alpha.c: smooth quant's alphas; later stages keep the best. */
extern const struct stage stage_alpha;
/* stage_weight_only.c: five algorithms for weights, each for all operators. */
extern const struct stage stage_weight_only;
/* stage_lower_bits.c: after a success, each operator that can alone in int4. */
extern const struct stage stage_lower_bits;
/* stage_dynamic.c: the best config so far with static operators made dynamic. */
extern const struct stage stage_dynamic;

/* stage_score.c: asks the evaluator how sensitive the operators of the base are. */
extern const struct stage stage_known_scores; /* takes those of the capability */
extern const struct stage stage_score;
/* stage_fallback.c: each operator of the base alone, the last first or, when there are scores, the
 * most sensitive first; leaves the ranking. The ranking's operators together, the least harmful
 * first: two, three, ... all. And without trying them alone, the most sensitive first: one, two,
 * ... */
extern const struct stage stage_instance_fallback;
extern const struct stage stage_accumulated_fallback;
extern const struct stage stage_sensitivity_fallback;
/* As few of the most sensitive as meet the criterion, by galloping and bisection; then those of
 * them that need not have fallen back into quantization again. */
extern const struct stage stage_bisect;
extern const struct stage stage_requantize;
/* stage_blocks.c: transformer blocks, accumulated as listed; or each alone and then accumulated by
 * what that did. */
extern const struct stage stage_block_fallback;
extern const struct stage stage_block_alone;
extern const struct stage stage_block_impact;

/* stage_conservative.c: from high precision, group by group of types into quantization. */
extern const struct stage stage_conservative;
/* What that starts from, when nothing else was tried. */
extern const struct stage stage_high_precision;
/* stage_mse_v2.c: operators back into high precision, the most sensitive first, until the criterion
 * is met; then into quantization again while it is. */
extern const struct stage stage_mse_v2_fallback;
extern const struct stage stage_mse_v2_revert;
/* stage_precision.c: all operators in a lower precision, which becomes the base; and that with the
 * operators of one type in fp32. */
extern const struct stage stage_lower_precision;
extern const struct stage stage_type_fallback;

/* Lists of steps that several strategies have in common: basic without what comes before its
 * default, in basic.c, and all of conservative, in conservative.c. */
extern const struct plan_step steps_basic[];
extern const struct plan_step steps_conservative[];

#endif
