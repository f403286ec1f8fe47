/*
 * The commands that show what may be tried: space, and submit --dry-run.
 */
#ifndef NARROWD_CLI_SPACE_H
#define NARROWD_CLI_SPACE_H

#include "cli/cli.h"

/* The space of the job that the command names. */
enum cli_exit space_show(struct cli *cli);
/* What a job of this body would try; nothing is stored. */
enum cli_exit space_dry_run(struct cli *cli, const char *body);

#endif
