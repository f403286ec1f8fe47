/*
 * Whether a posted SigOpt experiment is one that can be run here.
 */
#ifndef NARROWD_API_SIGOPT_CHECK_H
#define NARROWD_API_SIGOPT_CHECK_H

#include "base/json.h"

/* So many values of one parameter can be told apart. */
enum { SIGOPT_VALUES_MAX = 256 };

/* Faults are in at->err, all of them. */
void sigopt_check(const struct json_at *at);

#endif
