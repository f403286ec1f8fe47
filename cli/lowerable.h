/* Which operators of a config had a choice. */
#ifndef NARROWD_CLI_LOWERABLE_H
#define NARROWD_CLI_LOWERABLE_H

#include "cli/cli.h"

/*
 * Those of `ops`, a config's, that the job which the command names could lower, in their order, and how many others there are.
 * A new reference. All of them where the job's space cannot be read, why is said on standard error then.
 */
json_t *lowerable_ops(struct cli *cli, json_t *ops, size_t *ret_others);

#endif
