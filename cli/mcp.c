/* narrow mcp: reads messages line by line and answers each with the result of a tool, or with an error. */
#include "cli/mcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/mcp_tools.h"

enum { RPC_PARSE = -32700, RPC_INVALID = -32600, RPC_NO_METHOD = -32601, RPC_PARAMS = -32602 };

/* Of the protocol, the newest first: a client that asks for none of these is offered the first. */
static const char *const versions[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};

static const char instructions[] =
	"narrowd searches which operators of a model to quantize and how. Look at an evaluator "
	"with "
	"probe, at what a job would try with dry_run, at a job with watch, best and why. A job "
	"that "
	"says keep_baseline is a valid result: quantizing this model is not worth it here.";

static const char *version_for(const json_t *params)
{
	const char *asked = json_string_value(json_object_get(params, "protocolVersion"));

	for (size_t i = 0; asked != NULL && i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (strcmp(asked, versions[i]) == 0) {
			return versions[i];
		}
	}
	return versions[0];
}

static json_t *error_json(int code, const char *message)
{
	return json_pack("{s:{s:i, s:s}}", "error", "code", code, "message", message);
}

static json_t *call_tool(const json_t *params, bool changes)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	json_t *result =
		name != NULL ? mcp_tools_call(name, json_object_get(params, "arguments"), changes)
			     : NULL;

	return result != NULL ? json_pack("{s:o}", "result", result)
			      : error_json(RPC_PARAMS, "no such tool, or it needs narrow mcp "
						       "--allow-changes");
}

/* An object with `result` or `error`. */
static json_t *answer(const char *method, const json_t *params, bool changes)
{
	if (strcmp(method, "initialize") == 0) {
		return json_pack("{s:{s:s, s:{s:{}}, s:{s:s, s:s}, s:s}}", "result",
				 "protocolVersion", version_for(params), "capabilities", "tools",
				 "serverInfo", "name", "narrowd", "version", NARROW_VERSION,
				 "instructions", instructions);
	}
	if (strcmp(method, "ping") == 0) {
		return json_pack("{s:{}}", "result");
	}
	if (strcmp(method, "tools/list") == 0) {
		return json_pack("{s:{s:o}}", "result", "tools", mcp_tools_list(changes));
	}
	if (strcmp(method, "tools/call") == 0) {
		return call_tool(params, changes);
	}
	return error_json(RPC_NO_METHOD, "narrow mcp has tools and nothing else");
}

static void reply(json_t *message, const json_t *id)
{
	(void)json_object_set_new(message, "jsonrpc", json_string("2.0"));
	(void)json_object_set_new(message, "id", id != NULL ? json_deep_copy(id) : json_null());
	cli_print_json(message);
	(void)fflush(stdout);
	json_decref(message);
}

static void take(const char *line, size_t length, bool changes)
{
	json_t *message = json_loadb(line, length, 0, NULL);
	const json_t *id = json_object_get(message, "id");
	const char *method = json_string_value(json_object_get(message, "method"));

	if (message == NULL) {
		reply(error_json(RPC_PARSE, "a line is not JSON"), NULL);
	} else if (method == NULL) {
		reply(error_json(RPC_INVALID, "a message has no method"), id);
	} else if (id != NULL) { /* else it is a notification: none of them asks for anything */
		reply(answer(method, json_object_get(message, "params"), changes), id);
	}
	json_decref(message);
}

enum cli_exit mcp_run(struct cli *cli)
{
	/* The commands that the tools run read these. */
	static const struct {
		enum cli_option option;
		const char *variable;
	} passed_on[] = {{OPTION_SERVER, "NARROWD_URL"},
			 {OPTION_TOKEN, "NARROWD_TOKEN"},
			 {OPTION_TOKEN_FILE, "NARROWD_TOKEN_FILE"},
			 {OPTION_CA, "NARROWD_CA"}};
	bool changes = cli->options[OPTION_ALLOW_CHANGES] != NULL;
	char *line = NULL;
	size_t capacity = 0;
	ssize_t length;

	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++) {
		const char *value = cli->options[passed_on[i].option];

		if (value != NULL) {
			(void)setenv(passed_on[i].variable, value, 1);
		}
	}
	while ((length = getline(&line, &capacity, stdin)) > 0) {
		take(line, (size_t)length, changes);
	}
	free(line);
	return CLI_OK;
}
