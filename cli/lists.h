/*
 * The commands that print a collection: trials, sensitivity, strategies, evaluators.
 *
 * Each returns an exit code and has said on standard error what went wrong.
 */
#ifndef NARROWD_CLI_LISTS_H
#define NARROWD_CLI_LISTS_H

#include "cli/cli.h"

enum cli_exit lists_trials(struct cli *cli);
enum cli_exit lists_sensitivity(struct cli *cli);
enum cli_exit lists_strategies(struct cli *cli);
enum cli_exit lists_evaluators(struct cli *cli);
enum cli_exit lists_workers(struct cli *cli);

#endif
