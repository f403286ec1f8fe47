/*
 * narrow worker: takes questions of a pool, one at a time, and has a command answer them.
 */
#ifndef NARROWD_CLI_WORKER_H
#define NARROWD_CLI_WORKER_H

#include "cli/cli.h"

enum cli_exit worker_run(struct cli *cli);

#endif
