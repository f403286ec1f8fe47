/*
 * The commands that print trials: trials, pareto.
 *
 * Each returns an exit code and has said on standard error what went wrong.
 */
#ifndef NARROWD_CLI_TRIALS_H
#define NARROWD_CLI_TRIALS_H

#include "cli/cli.h"

/* All of a job. */
enum cli_exit trials_list(struct cli *cli);
/* Those that no other beats in accuracy and every objective. */
enum cli_exit trials_front(struct cli *cli);

#endif
