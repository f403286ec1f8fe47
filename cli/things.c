/* Lists, adds, tries and removes what the daemon keeps: evaluators, webhooks, tokens. */
#include "cli/things.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/body.h"
#include "cli/lists.h"
#include "cli/probe.h"
#include "cli/table.h"
#include "cli/text.h"

/* "/v1/webhooks" of "webhooks add", with "/" and an escaped id behind it unless that is NULL; the caller frees. */
static char *path_of(const struct cli *cli, const char *id, const char *rest)
{
	char *escaped = client_escape(id != NULL ? id : "");
	char *path = mem_printf("/v1/%.*s%s%s%s", (int)strcspn(cli->command, " "), cli->command,
				id != NULL ? "/" : "", escaped, rest);

	free(escaped);
	return path;
}

static void add_webhook(void *arg, const json_t *hook)
{
	struct table *table = arg;

	table_member(table, hook, "id");
	table_member(table, hook, "name");
	table_member(table, hook, "url");
	table_member(table, hook, "state");
	table_add(table, probe_names(json_object_get(hook, "events")));
}

enum cli_exit things_webhooks(struct cli *cli)
{
	static const char *const heads[] = {"WEBHOOK", "NAME", "URL", "STATE", "EVENTS", NULL};

	return lists_print(cli, "/v1/webhooks", true, "lllll", heads, add_webhook);
}

static void add_token(void *arg, const json_t *token)
{
	struct table *table = arg;

	table_member(table, token, "id");
	table_member(table, token, "name");
	table_member(table, token, "owner");
	table_add(table, probe_names(json_object_get(token, "scopes")));
	table_add(table, probe_names(json_object_get(token, "pools")));
	table_add(table, text_time(json_string_value(json_object_get(token, "expires_at"))));
	table_add(table, text_time(json_string_value(json_object_get(token, "last_used_at"))));
	table_add(table, text_time(json_string_value(json_object_get(token, "revoked_at"))));
}

enum cli_exit things_tokens(struct cli *cli)
{
	static const char *const heads[] = {"TOKEN",   "NAME",      "OWNER",   "SCOPES", "POOLS",
					    "EXPIRES", "LAST USED", "REVOKED", NULL};

	return lists_print(cli, "/v1/tokens", true, "llllllll", heads, add_token);
}

/* The options that are members of what is made; those that are lists have the one that was given. New reference. */
static json_t *body_of(const struct cli *cli)
{
	static const struct {
		const char *member;
		enum cli_option option;
		bool list;
	} members[] = {
		{"name", OPTION_NAME, false},   {"owner", OPTION_OWNER, false},
		{"scopes", OPTION_SCOPE, true}, {"pools", OPTION_POOL, true},
		{"events", OPTION_TYPE, true},
	};
	json_t *body = json_object();

	if (cli->argument != NULL) {
		(void)json_object_set_new(body, "url", json_string(cli->argument));
	}
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const char *value = cli->options[members[i].option];

		if (value != NULL) {
			(void)json_object_set_new(body, members[i].member,
						  members[i].list ? json_pack("[s]", value)
								  : json_string(value));
		}
	}
	return body;
}

enum cli_exit things_add(struct cli *cli)
{
	static const char *const shown[] = {"id", "token", "secret"};
	json_t *body = body_of(cli), *made = NULL;
	char *path = path_of(cli, NULL, ""), *text = NULL;
	enum cli_exit code = CLI_USAGE;

	if (body_set(cli, body)) {
		text = json_text(body);
		code = cli_ask(cli, "POST", path, text, &made);
	}
	for (size_t i = 0; made != NULL && i < sizeof(shown) / sizeof(shown[0]); i++) {
		if (json_is_string(json_object_get(made, shown[i]))) {
			char *clean = text_member(made, shown[i]);

			printf("%s\n", clean);
			free(clean);
		}
	}
	json_decref(made);
	json_decref(body);
	free(text);
	free(path);
	return code;
}

static enum cli_exit carry_out(struct cli *cli, const char *method, const char *rest)
{
	char *path = path_of(cli, cli->argument, rest);
	enum cli_exit code = cli_pass_on(cli, method, path);

	free(path);
	return code;
}

enum cli_exit things_remove(struct cli *cli)
{
	return carry_out(cli, "DELETE", "");
}

enum cli_exit things_test(struct cli *cli)
{
	return carry_out(cli, "POST", "/test");
}
