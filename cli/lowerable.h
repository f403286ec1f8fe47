/* Which operators of a config had a choice. */
#ifndef NARROWD_CLI_LOWERABLE_H
#define NARROWD_CLI_LOWERABLE_H

#include <stdint.h>

#include "cli/cli.h"

/*
 * Those of `ops`, a config's, that the job which the command names could lower, in their order, and how many others there are.
 * A new reference. All of them, and -1, where the job's space cannot be read.
 */
json_t *lowerable_ops(struct cli *cli, json_t *ops, int64_t *ret_others);

#endif
