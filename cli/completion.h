/*
 * The command completion: scripts for shells, made of the tables of commands and options.
 */
#ifndef NARROWD_CLI_COMPLETION_H
#define NARROWD_CLI_COMPLETION_H

#include "cli/cli.h"

enum cli_exit completion_run(struct cli *cli);

#endif
