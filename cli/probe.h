/*
 * The command probe: has the daemon ask an evaluator what it can do.
 */
#ifndef NARROWD_CLI_PROBE_H
#define NARROWD_CLI_PROBE_H

#include "cli/cli.h"

/* The argument is a registered evaluator's id, or a URL that is registered for as long as it takes.
 * CLI_REFUSED when the evaluator does not answer as it must. */
enum cli_exit probe_run(struct cli *cli);
/* The same, printing nothing: *ret_probe is the daemon's answer, which the caller owns whatever the code; it has a
 * capability with CLI_OK. */
enum cli_exit probe_ask(struct cli *cli, json_t **ret_probe);
/* Whether it is a registered evaluator's id. */
bool probe_is_id(const char *name);
/* The strings of an array, or the names of an object: "a, b"; the caller frees. */
char *probe_names(json_t *names);

#endif
