/*
 * What sgp offers to strategies that hand over to it.
 */
#ifndef NARROWD_STRATEGIES_SGP_H
#define NARROWD_STRATEGIES_SGP_H

#include "strategies/interface/strategy.h"

/* As apply() of one event after the other, but thinks about all of them at once. */
void sgp_catch_up(void *state, const struct event *events, size_t count);
/* How often its models were fitted, which is what its time goes into. */
size_t sgp_fits(const void *state);

#endif
