/*
 * The strategies that there are. One more that is built in is a file, a line here and a line in
 * registry.c; plug-ins add theirs at start-up.
 */
#ifndef NARROWD_STRATEGIES_REGISTRY_H
#define NARROWD_STRATEGIES_REGISTRY_H

#include "strategies/interface/strategy.h"

enum { REGISTRY_MAX = 128, REGISTRY_NAME_MAX = 64 };

/*
 * Adds what a plug-in brings, which must outlive the process's use of it. Only before other threads
 * exist. ERR_CONFIG, in words that follow the plug-in's name, for another version of the interface,
 * for what is incomplete and for a name that is taken.
 */
int registry_add(const struct strategy_ops *ops, struct err *reterr);
/* Whether it came from a plug-in. */
bool registry_is_added(const struct strategy_ops *ops);

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
