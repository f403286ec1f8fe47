/* narrow import, scores: what was made elsewhere, from a file. */
#include "cli/intake.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/body.h"

/* What another tool has made, in a file. */
static enum cli_exit send_file(struct cli *cli, const char *rest, json_t **ret_receipt)
{
	char *body = body_read(cli, cli->second), *path = cli_job_path(cli, rest);
	enum cli_exit code =
		body != NULL ? cli_ask(cli, "POST", path, body, ret_receipt) : CLI_USAGE;

	free(path);
	free(body);
	return code;
}

enum cli_exit intake_scores(struct cli *cli)
{
	json_t *receipt = NULL;
	enum cli_exit code = send_file(cli, "/scores", &receipt);

	if (receipt != NULL) {
		const char *detail = json_string_value(json_object_get(receipt, "detail"));

		printf("%s\n", detail != NULL ? detail : "they were told");
	}
	json_decref(receipt);
	return code;
}

enum cli_exit intake_import(struct cli *cli)
{
	json_t *receipt = NULL;
	enum cli_exit code = send_file(cli, "/trials", &receipt);

	if (receipt != NULL) {
		printf("%lld imported, %lld skipped\n",
		       (long long)json_integer_value(json_object_get(receipt, "imported")),
		       (long long)json_integer_value(json_object_get(receipt, "skipped")));
	}
	json_decref(receipt);
	return code;
}
