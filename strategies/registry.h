/*
 * The strategies that are built in. One more is a file, a line here and a line in registry.c.
 */
#ifndef NARROWD_STRATEGIES_REGISTRY_H
#define NARROWD_STRATEGIES_REGISTRY_H

#include "strategies/strategy.h"

extern const struct strategy_ops auto_strategy;
extern const struct strategy_ops auto_mixed_precision_strategy;
extern const struct strategy_ops basic_strategy;
extern const struct strategy_ops bayesian_strategy;
extern const struct strategy_ops bisect_strategy;
extern const struct strategy_ops conservative_strategy;
extern const struct strategy_ops exhaustive_strategy;
extern const struct strategy_ops hawq_v2_strategy;
extern const struct strategy_ops knapsack_strategy;
extern const struct strategy_ops mse_strategy;
extern const struct strategy_ops mse_v2_strategy;
extern const struct strategy_ops random_strategy;
extern const struct strategy_ops remote_strategy;
extern const struct strategy_ops sigopt_strategy;
extern const struct strategy_ops sgp_strategy;
extern const struct strategy_ops tpe_strategy;

#endif
