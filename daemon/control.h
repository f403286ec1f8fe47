/*
 * DATA/control.sock: where commands of this program reach a daemon that runs on the same data
 * directory. Only who runs the daemon, and root, can connect.
 */
#ifndef NARROWD_DAEMON_CONTROL_H
#define NARROWD_DAEMON_CONTROL_H

#include <stdbool.h>

/* The socket's path, which also fits when the directory's is long; the caller frees. */
char *control_path(const char *data_dir);
/* Whether somebody listens there. */
bool control_is_up(const char *path);

#endif
