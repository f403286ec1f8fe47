/*
 * The commands about what the daemon keeps besides jobs: evaluators, webhooks, tokens.
 *
 * Each returns an exit code and has said on standard error what went wrong.
 */
#ifndef NARROWD_CLI_THINGS_H
#define NARROWD_CLI_THINGS_H

#include "cli/cli.h"

enum cli_exit things_webhooks(struct cli *cli);
enum cli_exit things_tokens(struct cli *cli);
/* Makes one of what the first word of the command says, and prints its id, and what is shown this once. */
enum cli_exit things_add(struct cli *cli);
enum cli_exit things_remove(struct cli *cli);
/* Sends a webhook a message. */
enum cli_exit things_test(struct cli *cli);

#endif
