/*
 * The command best: what the job found, against the baseline.
 */
#ifndef NARROWD_CLI_BEST_H
#define NARROWD_CLI_BEST_H

#include "cli/cli.h"

/* CLI_NOT_MET when the job has ended without meeting its criterion. */
enum cli_exit best_show(struct cli *cli);

#endif
