/* Draws the open jobs anew whenever something has changed. */
#include "cli/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "cli/jobs.h"
#include "cli/text.h"

#define OPEN_JOBS "/v1/jobs?limit=1000&state=queued&state=baseline&state=running&state=paused"

enum { PAUSE_MS = 500, OK = 200, NOT_MODIFIED = 304 };

/* Clears the rest of the terminal before and what is left of it behind. */
static void draw(const json_t *page, bool anew)
{
	const json_t *jobs = json_object_get(page, "items");
	struct table table;
	size_t i;
	json_t *job;

	jobs_table(&table);
	json_array_foreach(jobs, i, job) {
		jobs_row(&table, job);
	}
	printf("%s%zu open %s%s\n\n", anew ? "\033[H\033[J" : "", json_array_size(jobs),
	       json_array_size(jobs) == 1 ? "job" : "jobs", anew ? "; Ctrl-C ends this alone" : "");
	table_print(&table);
	(void)fflush(stdout);
	table_finish(&table);
}

/* One page, when it is another one than before. */
static enum cli_exit step(struct cli *cli, char **etag, bool anew)
{
	static const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000L * 1000L};
	struct client_reply reply;
	struct err err;
	json_t *page = NULL;
	enum cli_exit code = CLI_OK;

	err_init(&err);
	if (client_wait(&cli->client, OPEN_JOBS, *etag, &reply, &err) != 0) {
		return cli_unreachable(cli, &err);
	}
	if (reply.status == OK) {
		code = cli_parse(&reply, &page);
		free(*etag);
		*etag = mem_dup(reply.etag);
	} else if (reply.status != NOT_MODIFIED) {
		code = cli_refused(&reply);
	}
	if (page != NULL && cli->options[OPTION_JSON] != NULL) {
		cli_print(&reply);
	} else if (page != NULL) {
		draw(page, anew);
	}
	if (anew) {
		(void)nanosleep(&pause, NULL); /* many jobs may change at once */
	}
	json_decref(page);
	client_reply_finish(&reply);
	return code;
}

enum cli_exit top_run(struct cli *cli)
{
	bool anew = cli->options[OPTION_JSON] == NULL && text_columns() > 0;
	char *etag = mem_dup("");
	enum cli_exit code;

	do {
		code = step(cli, &etag, anew);
	} while (anew && code == CLI_OK);
	free(etag);
	return code;
}
