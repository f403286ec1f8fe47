/*
 * Trials of a job that measured better than its best one.
 */
#ifndef NARROWD_CLI_RIVAL_H
#define NARROWD_CLI_RIVAL_H

#include "cli/cli.h"

/* The verdict on the job's best, behind what it and this trial of it have measured, where the trial met the criterion and
 * measured better, and the verdict says why it is not the best. NULL elsewhere. The caller frees. */
char *rival_passed_over(const json_t *job, const json_t *trial);
/* Says why the best of a job that has met its criterion is not better by its own figures than another trial, though it was in
 * the search. */
void rival_print(struct cli *cli, const json_t *job);

#endif
