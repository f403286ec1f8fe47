/*
 * Which job somebody means: by its id, the beginning of that, its name, or "last".
 */
#ifndef NARROWD_CLI_FIND_H
#define NARROWD_CLI_FIND_H

#include "cli/cli.h"

/* The id of the job that `word` means, which the caller owns; NULL unless CLI_OK. A whole id is taken as it is, and
 * nobody is asked. CLI_REFUSED when there is no such job, CLI_USAGE when there are several. */
enum cli_exit find_job(struct cli *cli, const char *word, char **ret_id);

#endif
