/* narrow import, scores: what was made elsewhere, from a file. */
#include "cli/intake.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/body.h"

static void say_told(const json_t *receipt)
{
	const char *detail = json_string_value(json_object_get(receipt, "detail"));

	printf("%s\n", detail != NULL ? detail : "they were told");
}

static void say_imported(const json_t *receipt)
{
	printf("%lld imported, %lld skipped\n",
	       (long long)json_integer_value(json_object_get(receipt, "imported")),
	       (long long)json_integer_value(json_object_get(receipt, "skipped")));
}

/* What another tool has made, in a file; then what became of it. */
static enum cli_exit send_file(struct cli *cli, const char *rest, void (*say)(const json_t *))
{
	char *body = body_read(cli, cli->second), *path = cli_job_path(cli, rest);
	json_t *receipt = NULL;
	enum cli_exit code = body != NULL ? cli_ask(cli, "POST", path, body, &receipt) : CLI_USAGE;

	if (receipt != NULL) {
		say(receipt);
	}
	json_decref(receipt);
	free(path);
	free(body);
	return code;
}

enum cli_exit intake_scores(struct cli *cli)
{
	return send_file(cli, "/scores", say_told);
}

enum cli_exit intake_import(struct cli *cli)
{
	return send_file(cli, "/trials", say_imported);
}
