/*
 * What an agent can have done: each tool is one or two commands of narrow, run as they are.
 */
#ifndef NARROWD_CLI_MCP_TOOLS_H
#define NARROWD_CLI_MCP_TOOLS_H

#include <jansson.h>
#include <stdbool.h>

/* The list of those that are allowed, as tools/list has it. New reference. */
json_t *mcp_tools_list(bool changes);
/* What tools/call answers, at most 2 kB; NULL when there is no such tool, or it is not allowed. New reference. */
json_t *mcp_tools_call(const char *name, const json_t *arguments, bool changes);

#endif
