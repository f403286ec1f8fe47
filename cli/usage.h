/*
 * What --help prints, and what is said to somebody who typed something else.
 *
 * The functions that return an exit code have said on standard error what is wrong.
 */
#ifndef NARROWD_CLI_USAGE_H
#define NARROWD_CLI_USAGE_H

#include "cli/commands.h"

/* The usage of a command; of all of them when it is NULL. */
void usage_print(const struct command *command);
enum cli_exit usage_unknown_command(const char *word);
enum cli_exit usage_unknown_option(const char *word);
enum cli_exit usage_wrong(const char *what, const char *which);

#endif
