/*
 * The command best: what the job found, against the baseline.
 */
#ifndef NARROWD_CLI_BEST_H
#define NARROWD_CLI_BEST_H

#include "cli/cli.h"

/* Whether an operator in this mode is in high precision: fp32, bf16 or fp16. */
bool best_keeps(const char *mode);
/* CLI_NOT_MET when the job has ended without meeting its criterion. */
enum cli_exit best_show(struct cli *cli);
/* How many operators of a config are in which mode, "static 9, fp32 3"; the caller frees. */
char *best_modes(json_t *ops);

#endif
