/*
 * The daemon's own addresses, which evaluators may not have.
 */
#ifndef NARROWD_DAEMON_OURSELVES_H
#define NARROWD_DAEMON_OURSELVES_H

#include "api/http/http.h"
#include "backends/guard.h"

/* The daemon must not be made to call itself, whatever the policy allows. */
void ourselves_guard(const struct http *http, struct guard *guard);

#endif
