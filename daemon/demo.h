/*
 * narrowd demo: the script that tunes the example network with programs of the same build.
 */
#ifndef NARROWD_DAEMON_DEMO_H
#define NARROWD_DAEMON_DEMO_H

#include "base/err.h"

/* Runs the script in the place of this process, with these arguments (NULL-terminated). Returns only
 * when it cannot: ERR_CONFIG. */
int demo_run(char *const *arguments, struct err *reterr);

#endif
