/*
 * The body of a submission: a file that may have comments, and what --set changes in it.
 */
#ifndef NARROWD_CLI_BODY_H
#define NARROWD_CLI_BODY_H

#include "cli/cli.h"

/* The JSON to send for the file ("-": standard input) and the invocation's --set, which the caller frees; NULL when
 * something was wrong, which has been said then. */
char *body_read(const struct cli *cli, const char *name);
/* Does what the invocation's --set say to an object. False when one of them is wrong, which has been said then. */
bool body_set(const struct cli *cli, json_t *body);
/* Copies the members that these have to do with, whole. */
void body_copy_set(const struct cli *cli, const json_t *from, json_t *to);
/* Puts blanks in the place of comments, so that what is said of a byte or a line is true of the file too. False when
 * one does not end. */
bool body_blank_comments(char *text);

#endif
