/*
 * narrow support-bundle: one file for those who are asked what is wrong.
 */
#ifndef NARROWD_CLI_SUPPORT_H
#define NARROWD_CLI_SUPPORT_H

#include "cli/cli.h"

/* Writes it to the file of --output, which must not be there, or to standard output. */
enum cli_exit support_bundle(struct cli *cli);

#endif
