#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/text.h"

/* What the type of every refusal of narrowd begins with. */
#define PROBLEM_TYPE "urn:narrowd:problem:"

enum { OK_FIRST = 200, OK_LAST = 299 };

static const struct json_limits limits = {
	.max_bytes = (size_t)1 << 30,
	.max_depth = 64,
	.max_values = (size_t)100 * 1000 * 1000,
};

enum cli_exit cli_unreachable(const struct cli *cli, const struct err *err)
{
	const struct client *client = &cli->client;

	(void)fprintf(stderr, "narrow: cannot reach narrowd at %s%s: %s\n",
		      client->unix_path != NULL ? "unix:" : "",
		      client->unix_path != NULL ? client->unix_path : client->url, err->message);
	return CLI_UNREACHABLE;
}

/* "/name: is too long"; `whole` stands for a pointer to the whole document. */
static char *fault_text(const json_t *fault, const char *whole)
{
	char *pointer = text_member(fault, "pointer"), *detail = text_member(fault, "detail");
	char *text = mem_printf("%s: %s", pointer[0] != '\0' ? pointer : whole, detail);

	free(pointer);
	free(detail);
	return text;
}

/* The detail is left out where it is the first fault once more. */
static void print_problem(const json_t *problem)
{
	const json_t *faults = json_object_get(problem, "errors");
	char *title = text_member(problem, "title"), *detail = text_member(problem, "detail");
	char *first = fault_text(json_array_get(faults, 0), "body");
	bool repeats = json_array_size(faults) > 0 && strcmp(detail, first) == 0;
	size_t i;
	json_t *fault;

	(void)fprintf(stderr, "narrow: %s%s%s\n", title, repeats ? "" : ": ",
		      repeats ? "" : detail);
	json_array_foreach(faults, i, fault) {
		char *text = fault_text(fault, "(the document)");

		(void)fprintf(stderr, "  %s\n", text);
		free(text);
	}
	if (json_is_true(json_object_get(problem, "errors_truncated"))) {
		(void)fprintf(stderr, "  ... and more\n");
	}
	free(title);
	free(detail);
	free(first);
}

enum cli_exit cli_refused(const struct client_reply *reply)
{
	json_t *problem = json_parse(reply->body, reply->length, &limits, NULL);
	const char *type = json_string_value(json_object_get(problem, "type"));
	bool ours = type != NULL && strncmp(type, PROBLEM_TYPE, strlen(PROBLEM_TYPE)) == 0;

	if (ours) {
		print_problem(problem);
	} else {
		(void)fprintf(stderr,
			      "narrow: the server answered with status %d, and not in narrowd's "
			      "words: is this server narrowd?\n",
			      reply->status);
	}
	json_decref(problem);
	return ours ? CLI_REFUSED : CLI_UNREACHABLE;
}

enum cli_exit cli_parse(const struct client_reply *reply, json_t **ret_answer)
{
	struct err err;

	err_init(&err);
	*ret_answer = json_parse(reply->body, reply->length, &limits, &err);
	if (*ret_answer == NULL) {
		(void)fprintf(stderr,
			      "narrow: the answer is not JSON (%s): is this server narrowd?\n",
			      err.message);
		return CLI_UNREACHABLE;
	}
	return CLI_OK;
}

void cli_print(const struct client_reply *reply)
{
	(void)fwrite(reply->body, 1, reply->length, stdout);
	if (reply->length > 0 && reply->body[reply->length - 1] != '\n') {
		(void)putchar('\n');
	}
}

enum cli_exit cli_call(struct cli *cli, const char *method, const char *path, const char *body,
		       struct client_reply *ret_reply)
{
	struct err err;
	enum cli_exit code;

	err_init(&err);
	if (client_call(&cli->client, method, path, body, ret_reply, &err) != 0) {
		return cli_unreachable(cli, &err);
	}
	if (ret_reply->status >= OK_FIRST && ret_reply->status <= OK_LAST) {
		return CLI_OK;
	}
	code = cli_refused(ret_reply);
	client_reply_finish(ret_reply);
	return code;
}

enum cli_exit cli_get(struct cli *cli, const char *path, json_t **ret_answer)
{
	struct client_reply reply;
	enum cli_exit code = cli_call(cli, "GET", path, NULL, &reply);

	*ret_answer = NULL;
	if (code == CLI_OK) {
		code = cli_parse(&reply, ret_answer);
		client_reply_finish(&reply);
	}
	return code;
}

enum cli_exit cli_ask(struct cli *cli, const char *method, const char *path, const char *body,
		      json_t **ret_answer)
{
	struct client_reply reply;
	enum cli_exit code = cli_call(cli, method, path, body, &reply);

	*ret_answer = NULL;
	if (code != CLI_OK) {
		return code;
	}
	if (cli->options[OPTION_JSON] != NULL) {
		cli_print(&reply);
	} else {
		code = cli_parse(&reply, ret_answer);
	}
	client_reply_finish(&reply);
	return code;
}

/* One page, printed when `add` is NULL; *ret_next is the cursor of the next one, NULL after the last. */
static enum cli_exit ask_page(struct cli *cli, const char *path, char **ret_next,
			      void (*add)(void *arg, const json_t *item), void *arg)
{
	struct client_reply reply;
	enum cli_exit code = cli_call(cli, "GET", path, NULL, &reply);
	json_t *page = NULL, *item;
	const char *next;
	size_t i;

	*ret_next = NULL;
	if (code != CLI_OK) {
		return code;
	}
	code = cli_parse(&reply, &page);
	if (code == CLI_OK && add == NULL) {
		cli_print(&reply);
	} else if (code == CLI_OK) {
		json_array_foreach(json_object_get(page, "items"), i, item) {
			add(arg, item);
		}
	}
	next = json_string_value(json_object_get(page, "next"));
	*ret_next = next != NULL ? client_escape(next) : NULL;
	json_decref(page);
	client_reply_finish(&reply);
	return code;
}

enum cli_exit cli_each(struct cli *cli, const char *path,
		       void (*add)(void *arg, const json_t *item), void *arg)
{
	char separator = strchr(path, '?') != NULL ? '&' : '?';
	char *next = NULL;
	enum cli_exit code;

	do {
		char *target = next == NULL ? mem_dup(path)
					    : mem_printf("%s%ccursor=%s", path, separator, next);

		free(next);
		code = ask_page(cli, target, &next, add, arg);
		free(target);
	} while (code == CLI_OK && next != NULL);
	return code;
}

enum cli_exit cli_pages(struct cli *cli, const char *path,
			void (*add)(void *arg, const json_t *item), void *arg)
{
	return cli_each(cli, path, cli->options[OPTION_JSON] != NULL ? NULL : add, arg);
}

char *cli_job_path(const struct cli *cli, const char *rest)
{
	char *id = client_escape(cli->argument);
	char *path = mem_printf("/v1/jobs/%s%s", id, rest);

	free(id);
	return path;
}
