/*
 * The commands by which a job takes in what was made elsewhere: import, scores.
 *
 * Each returns an exit code and has said on standard error what went wrong.
 */
#ifndef NARROWD_CLI_INTAKE_H
#define NARROWD_CLI_INTAKE_H

#include "cli/cli.h"

/* Both post what the file that the second argument names has. */
enum cli_exit intake_import(struct cli *cli);
enum cli_exit intake_scores(struct cli *cli);

#endif
