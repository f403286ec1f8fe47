/* What the stages of a search are for, in the daemon's words. */
#ifndef NARROWD_CLI_STAGES_H
#define NARROWD_CLI_STAGES_H

#include "cli/cli.h"

/* The stage that a job is in, "culprit: who made a config fail, found by halves", or what is known of that; the caller frees. */
char *stages_of_job(const json_t *job);
/* What each is for, by its name; empty where the daemon does not say. A new reference. */
json_t *stages_get(struct cli *cli);
/* "culprit: who made a config fail, found by halves", or the name alone where `stages` has no words for it; the caller frees. */
char *stages_text(const json_t *stages, const char *name);
/* Prints what those are for that stand as names in `seen`, an object, behind an empty line; nothing where none is known. */
void stages_print(struct cli *cli, json_t *seen);

#endif
