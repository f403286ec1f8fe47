/*
 * The command probe: has the daemon ask an evaluator what it can do.
 */
#ifndef NARROWD_CLI_PROBE_H
#define NARROWD_CLI_PROBE_H

#include "cli/cli.h"

/* The argument is a registered evaluator's id, or a URL that is registered for as long as it takes.
 * CLI_REFUSED when the evaluator does not answer as it must. */
enum cli_exit probe_run(struct cli *cli);

#endif
