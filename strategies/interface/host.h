/*
 * The functions that strategies of plug-ins read spaces and make configs by.
 */
#ifndef NARROWD_STRATEGIES_INTERFACE_HOST_H
#define NARROWD_STRATEGIES_INTERFACE_HOST_H

#include "narrowd/strategy.h"

extern const struct strategy_host host_functions;

#endif
