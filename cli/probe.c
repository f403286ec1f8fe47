/* Has an evaluator probed, registered for the purpose when it is a URL. */
#include "cli/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/table.h"
#include "cli/text.h"

enum { TEXT_MAX = 1024 * 1024 };

char *probe_names(json_t *names)
{
	const char *separator = "", *key;
	struct buf buf;
	size_t i;
	json_t *item;

	buf_init(&buf, TEXT_MAX);
	json_array_foreach(names, i, item) {
		char *text = text_clean(json_string_value(item));

		buf_printf(&buf, "%s%s", separator, text);
		separator = ", ";
		free(text);
	}
	json_object_foreach(names, key, item) {
		char *text = text_clean(key);

		buf_printf(&buf, "%s%s", separator, text);
		separator = ", ";
		free(text);
	}
	buf_text(&buf, buf.length == 0 ? "-" : "");
	return buf_take(&buf, NULL);
}

/* The modes of each type: what op_types says, and what operators with modes of their own add. New reference. */
static json_t *modes_of_types(const json_t *capability)
{
	json_t *types = json_deep_copy(json_object_get(capability, "op_types")), *op;
	size_t i;

	types = types != NULL ? types : json_object();
	json_array_foreach(json_object_get(capability, "ops"), i, op) {
		const char *type = json_string_value(json_object_get(op, "type"));
		json_t *own = json_object_get(op, "modes"), *known;

		if (type == NULL || json_object_size(own) == 0) {
			continue;
		}
		known = json_object_get(types, type);
		if (known != NULL) {
			(void)json_object_update_missing(known, own);
		} else {
			(void)json_object_set_new(types, type, json_copy(own));
		}
	}
	return types;
}

static void print_capability(const json_t *probe)
{
	const json_t *capability = json_object_get(probe, "capability");
	json_t *types = modes_of_types(capability), *modes;
	json_t *answers = json_object_get(capability, "answers");
	const char *type;
	struct table table;

	table_init(&table, "ll", NULL);
	table_pair(&table, "answered in",
		   text_duration(json_number_value(json_object_get(probe, "elapsed_s"))));
	table_pair(&table, "framework", text_member(capability, "framework"));
	table_pair(&table, "model", text_member(json_object_get(capability, "model"), "name"));
	table_pair(&table, "operators",
		   mem_printf("%zu", json_array_size(json_object_get(capability, "ops"))));
	json_object_foreach(types, type, modes) {
		char *name = mem_printf("  %s", type);

		table_pair(&table, name, probe_names(modes));
		free(name);
	}
	table_pair(&table, "answers", answers != NULL ? probe_names(answers) : mem_dup("evaluate"));
	table_pair(&table, "metrics", probe_names(json_object_get(capability, "metrics")));
	table_print(&table);
	table_finish(&table);
	json_decref(types);
}

/* Takes what the daemon found, which is *ret_probe with CLI_OK. */
static enum cli_exit take(const struct cli *cli, const struct client_reply *reply, bool print,
			  json_t **ret_probe)
{
	enum cli_exit code = cli_parse(reply, ret_probe);

	if (code != CLI_OK) {
		return code;
	}
	if (print && cli->options[OPTION_JSON] != NULL) {
		cli_print(reply);
	}
	if (!json_is_true(json_object_get(*ret_probe, "ok"))) {
		char *error = text_member(*ret_probe, "error");

		(void)fprintf(stderr, "narrow: the evaluator does not answer as it must: %s\n",
			      error);
		free(error);
		code = CLI_REFUSED;
	} else if (print && cli->options[OPTION_JSON] == NULL) {
		print_capability(*ret_probe);
	}
	return code;
}

static enum cli_exit ask(struct cli *cli, const char *id, bool print, json_t **ret_probe)
{
	char *escaped = client_escape(id);
	char *path = mem_printf("/v1/evaluators/%s/probe", escaped);
	struct client_reply reply;
	enum cli_exit code = cli_call(cli, "POST", path, NULL, &reply);

	if (code == CLI_OK) {
		code = take(cli, &reply, print, ret_probe);
		client_reply_finish(&reply);
	}
	free(path);
	free(escaped);
	return code;
}

/* Registers the URL; *ret_id is the caller's, NULL unless CLI_OK. */
static enum cli_exit enroll(struct cli *cli, const char *url, char **ret_id)
{
	json_t *body = json_pack("{ss}", "url", url), *evaluator = NULL;
	char *text = body != NULL ? json_text(body) : NULL;
	struct client_reply reply;
	enum cli_exit code;

	json_decref(body);
	*ret_id = NULL;
	if (text == NULL) {
		(void)fprintf(stderr, "narrow: the evaluator's URL is not UTF-8\n");
		return CLI_USAGE;
	}
	code = cli_call(cli, "POST", "/v1/evaluators", text, &reply);
	free(text);
	if (code != CLI_OK) {
		return code;
	}
	code = cli_parse(&reply, &evaluator);
	if (code == CLI_OK) {
		*ret_id = text_member(evaluator, "id");
	}
	json_decref(evaluator);
	client_reply_finish(&reply);
	return code;
}

static enum cli_exit withdraw(struct cli *cli, const char *id)
{
	char *escaped = client_escape(id);
	char *path = mem_printf("/v1/evaluators/%s", escaped);
	struct client_reply reply;
	enum cli_exit code = cli_call(cli, "DELETE", path, NULL, &reply);

	if (code == CLI_OK) {
		client_reply_finish(&reply);
	}
	free(path);
	free(escaped);
	return code;
}

bool probe_is_id(const char *name)
{
	return strncmp(name, "evl_", 4) == 0;
}

static enum cli_exit probe(struct cli *cli, bool print, json_t **ret_probe)
{
	enum cli_exit code, withdrawn;
	char *id = NULL;

	if (probe_is_id(cli->argument)) {
		return ask(cli, cli->argument, print, ret_probe);
	}
	code = enroll(cli, cli->argument, &id);
	if (code == CLI_OK) {
		code = ask(cli, id, print, ret_probe);
		withdrawn = withdraw(cli, id);
		code = code != CLI_OK ? code : withdrawn;
	}
	free(id);
	return code;
}

enum cli_exit probe_ask(struct cli *cli, json_t **ret_probe)
{
	return probe(cli, false, ret_probe);
}

enum cli_exit probe_run(struct cli *cli)
{
	json_t *found = NULL;
	enum cli_exit code = probe(cli, true, &found);

	json_decref(found);
	return code;
}
