/*
 * Following a job until it ends: a progress bar on a terminal, one line per change elsewhere.
 */
#ifndef NARROWD_CLI_WATCH_H
#define NARROWD_CLI_WATCH_H

#include "cli/cli.h"

/*
 * Follows the job cli->argument by long polling. Survives restarts of the daemon: only when it stays
 * away is it unreachable. CLI_OK when the job met its criterion, CLI_NOT_MET when it ended without.
 */
enum cli_exit watch_job(struct cli *cli);

#endif
