/*
 * The command that writes a newcomer's first job: init.
 */
#ifndef NARROWD_CLI_INIT_H
#define NARROWD_CLI_INIT_H

#include "cli/cli.h"

/* Asks the evaluator at the URL, or with the id, that the command names. */
enum cli_exit init_run(struct cli *cli);

#endif
