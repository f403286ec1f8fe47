/*
 * Strategies of the user's own: shared objects that become part of the daemon at start-up.
 */
#ifndef NARROWD_DAEMON_PLUGINS_H
#define NARROWD_DAEMON_PLUGINS_H

#include "base/err.h"

/*
 * Loads every *.so of `directory` in the order of names and registers its strategies; nothing when
 * `directory` is "". They run with all the rights of the daemon and are never unloaded, so the
 * directory and each file must belong to root or to the daemon's user, and nobody else may write
 * them. ERR_CONFIG for the first one that cannot be used. Before other threads exist.
 */
int plugins_load(const char *directory, struct err *reterr);

#endif
