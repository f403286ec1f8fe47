/*
 * Following a job until it ends: a progress bar on a terminal, one line per change elsewhere.
 */
#ifndef NARROWD_CLI_WATCH_H
#define NARROWD_CLI_WATCH_H

#include "cli/cli.h"

/*
 * Follows the job cli->argument by long polling. Survives restarts of the daemon: only when it stays
 * away is it unreachable. Ends with job_exit(), also when the job has paused itself: nobody knows when
 * somebody will mend that.
 */
enum cli_exit watch_job(struct cli *cli);
/* The same, printing nothing but the end. */
enum cli_exit watch_wait(struct cli *cli);

#endif
