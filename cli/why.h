/*
 * The command why: what is known of the mode that an operator has in the best config.
 */
#ifndef NARROWD_CLI_WHY_H
#define NARROWD_CLI_WHY_H

#include "cli/cli.h"

enum cli_exit why_run(struct cli *cli);

#endif
