/*
 * The command events: the log of a job, as far as it is or on until the job ends.
 */
#ifndef NARROWD_CLI_EVENTS_H
#define NARROWD_CLI_EVENTS_H

#include "cli/cli.h"

enum cli_exit events_run(struct cli *cli);

#endif
