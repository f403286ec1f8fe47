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

/* The strings of an array, or the names of an object: "a, b". */
static char *names_text(json_t *names)
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

static void print_capability(const json_t *probe)
{
	const json_t *capability = json_object_get(probe, "capability");
	json_t *types = json_object_get(capability, "op_types"), *modes;
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

		table_pair(&table, name, names_text(modes));
		free(name);
	}
	table_pair(&table, "answers", names_text(json_object_get(capability, "answers")));
	table_pair(&table, "metrics", names_text(json_object_get(capability, "metrics")));
	table_print(&table);
	table_finish(&table);
}

static enum cli_exit report(const struct cli *cli, const struct client_reply *reply)
{
	json_t *probe;
	enum cli_exit code = cli_parse(reply, &probe);

	if (code != CLI_OK) {
		return code;
	}
	if (cli->options[OPTION_JSON] != NULL) {
		cli_print(reply);
	}
	if (!json_is_true(json_object_get(probe, "ok"))) {
		char *error = text_member(probe, "error");

		(void)fprintf(stderr, "narrow: the evaluator does not answer as it must: %s\n",
			      error);
		free(error);
		code = CLI_REFUSED;
	} else if (cli->options[OPTION_JSON] == NULL) {
		print_capability(probe);
	}
	json_decref(probe);
	return code;
}

static enum cli_exit probe(struct cli *cli, const char *id)
{
	char *escaped = client_escape(id);
	char *path = mem_printf("/v1/evaluators/%s/probe", escaped);
	struct client_reply reply;
	enum cli_exit code = cli_call(cli, "POST", path, NULL, &reply);

	if (code == CLI_OK) {
		code = report(cli, &reply);
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

enum cli_exit probe_run(struct cli *cli)
{
	enum cli_exit code, withdrawn;
	char *id = NULL;

	if (strncmp(cli->argument, "evl_", 4) == 0) {
		return probe(cli, cli->argument);
	}
	code = enroll(cli, cli->argument, &id);
	if (code == CLI_OK) {
		code = probe(cli, id);
		withdrawn = withdraw(cli, id);
		code = code != CLI_OK ? code : withdrawn;
	}
	free(id);
	return code;
}
