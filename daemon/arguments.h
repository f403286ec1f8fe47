/*
 * The arguments that are no settings: what is to be done instead of serving.
 */
#ifndef NARROWD_DAEMON_ARGUMENTS_H
#define NARROWD_DAEMON_ARGUMENTS_H

#include <stdbool.h>

/* Takes `flag` out of the arguments. */
bool arguments_flag(int *argc, char **argv, const char *flag);
/* Takes `option` and the argument behind it out. Returns the latter; NULL when it is not there. */
const char *arguments_value(int *argc, char **argv, const char *option);
/* Takes a command of so many words, its name being the first, out of the arguments, from either end.
 * Returns its last word; NULL when it is not there. */
const char *arguments_command(int *argc, char **argv, const char *name, int words);

#endif
