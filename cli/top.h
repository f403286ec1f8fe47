/*
 * The command top: all jobs that are open, as a table that is drawn anew.
 */
#ifndef NARROWD_CLI_TOP_H
#define NARROWD_CLI_TOP_H

#include "cli/cli.h"

/* On a terminal until it is interrupted; elsewhere once. */
enum cli_exit top_run(struct cli *cli);

#endif
