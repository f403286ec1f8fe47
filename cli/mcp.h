/*
 * The command mcp: the Model Context Protocol on standard input and output, a message of JSON-RPC on each line.
 */
#ifndef NARROWD_CLI_MCP_H
#define NARROWD_CLI_MCP_H

#include "cli/cli.h"

enum cli_exit mcp_run(struct cli *cli);

#endif
