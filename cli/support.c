/* Asks every route that says how the daemon is, and takes out what is private. */
#include "cli/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/doctor.h"

enum { ANSWER_MAX = 4 << 20 };

/* Every route that says how the daemon is. What is secret they do not tell: the test of the canaries reads this file. */
static const char *const paths[] = {
	"/healthz",     "/readyz",        "/v1/session",       "/v1/config",
	"/metrics",     "/v1/strategies", "/v1/evaluators",    "/v1/workers",
	"/v1/webhooks", "/v1/tokens",     "/v1/jobs?limit=50",
};

/* What people call their things, and what models are made of, is nobody else's business. */
static const char *const private[] = {"name", "labels", "best", "warnings",
				      "url",  "detail", "error"};

static void take_out(json_t *value)
{
	const char *key;
	json_t *inner;
	size_t i;

	for (i = 0; i < sizeof(private) / sizeof(private[0]) && json_is_object(value); i++) {
		if (json_object_get(value, private[i]) != NULL) {
			(void)json_object_set_new(value, private[i], json_string("(left out)"));
		}
	}
	json_object_foreach(value, key, inner) {
		take_out(inner);
	}
	json_array_foreach(value, i, inner) {
		take_out(inner);
	}
}

/* What came of asking, without an end: {"status", "answer"}, or {"error"}. */
static json_t *answer_of(struct cli *cli, const char *path)
{
	struct client_reply reply;
	struct err err;
	json_t *answer, *all;

	err_init(&err);
	if (client_call(&cli->client, "GET", path, NULL, &reply, &err) != 0) {
		return json_pack("{s:s}", "error", err.message);
	}
	answer = json_loadb(reply.body, reply.length, 0, NULL);
	/* Settings and strategies have names that are ours. */
	if (answer != NULL && strncmp(path, "/v1/config", 10) != 0 &&
	    strncmp(path, "/v1/strategies", 14) != 0) {
		take_out(answer);
	}
	if (answer == NULL) {
		answer = json_stringn(reply.body,
				      reply.length < ANSWER_MAX ? reply.length : ANSWER_MAX);
	}
	all = json_pack("{s:i, s:o?}", "status", reply.status, "answer", answer);
	client_reply_finish(&reply);
	return all;
}

enum cli_exit support_bundle(struct cli *cli)
{
	const char *name = cli->options[OPTION_OUTPUT];
	json_t *answers = json_object(), *bundle;
	char at[CLOCK_TEXT_SIZE], *text;
	enum cli_exit code = CLI_OK;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		(void)json_object_set_new(answers, paths[i], answer_of(cli, paths[i]));
	}
	bundle = json_pack("{s:s, s:s, s:o, s:o}", "made_at", clock_format(clock_wall_ms(), at),
			   "narrow", NARROW_VERSION, "doctor", doctor_report(cli), "answers",
			   answers);
	text = json_dumps(bundle, JSON_INDENT(1));
	json_decref(bundle);
	if (name == NULL) {
		(void)puts(text);
	} else {
		code = cli_make_file(name, text);
	}
	if (name != NULL && code == CLI_OK) {
		printf("%s is written; read it before you send it\n", name);
	}
	free(text);
	return code;
}
