/* Prints a job's events one a line, and goes on with those that come. */
#include "cli/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "cli/job.h"
#include "cli/stages.h"
#include "cli/text.h"

enum { LINE_MAX_BYTES = 16 * 1024, OK = 200, NOT_MODIFIED = 304 };

struct follower {
	struct cli *cli;
	json_int_t last; /* the number of the last event that was printed */
	json_t *stages;  /* what they are for, once one was entered; owned */
};

/* Times in the data are milliseconds since the epoch. */
static bool is_time(const char *name, const json_t *value)
{
	size_t length = strlen(name);

	return json_is_integer(value) && length > 3 && strcmp(name + length - 3, "_at") == 0;
}

static char *time_text(const json_t *value)
{
	char text[CLOCK_TEXT_SIZE];

	return text_time(clock_format(json_integer_value(value), text));
}

/* What a stage is for is said where it begins. */
static void add_stage(struct buf *buf, struct follower *follower, const char *name)
{
	if (follower->stages == NULL) {
		follower->stages = stages_get(follower->cli);
	}
	text_add(buf, "  stage ", stages_text(follower->stages, name), "");
}

/* "accuracy 0.91, feasible yes": what of an event's data fits a line. */
static void add_data(struct buf *buf, const json_t *data)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)data, name, value) {
		char *key = text_clean(name), *text = NULL;

		if (json_is_string(value)) {
			text = text_clean(json_string_value(value));
		} else if (json_is_boolean(value)) {
			text = mem_dup(json_is_true(value) ? "yes" : "no");
		} else if (is_time(name, value)) {
			text = time_text(value);
		} else if (json_is_number(value)) {
			text = text_number(value);
		}
		if (text != NULL) {
			buf_printf(buf, "  %s %s", key, text);
		}
		free(text);
		free(key);
	}
}

/* The one that an event says the search has come to, or NULL. */
static const char *stage_of(const json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	const json_t *data = json_object_get(event, "data");

	return type != NULL && strcmp(type, "stage_entered") == 0
		       ? json_string_value(json_object_get(data, "stage"))
		       : NULL;
}

static void print_event(void *arg, const json_t *event)
{
	struct follower *follower = arg;
	const json_t *trial = json_object_get(event, "trial");
	json_int_t number = json_integer_value(json_object_get(event, "n"));
	const char *stage = stage_of(event);
	struct buf buf;

	follower->last = number > follower->last ? number : follower->last;
	if (follower->cli->options[OPTION_JSON] != NULL) {
		cli_print_json(event);
		return;
	}
	buf_init(&buf, LINE_MAX_BYTES);
	text_add(&buf, "", text_time(json_string_value(json_object_get(event, "at"))), "  ");
	text_add(&buf, "", text_member(event, "type"), "");
	if (json_is_integer(trial)) {
		text_add(&buf, "  trial ", text_number(trial), "");
	}
	if (stage != NULL) {
		add_stage(&buf, follower, stage);
	} else {
		add_data(&buf, json_object_get(event, "data"));
	}
	if (buf.bytes != NULL) {
		printf("%s\n", buf.bytes);
	}
	buf_finish(&buf);
}

/* Waits until the job's document is no longer the one with this tag. *ret_over: the job has ended. */
static enum cli_exit wait_for_change(struct cli *cli, char **etag, bool *ret_over)
{
	char *path = cli_job_path(cli, "");
	struct client_reply reply;
	struct err err;
	enum cli_exit code = CLI_OK;
	json_t *job = NULL;

	err_init(&err);
	if (client_wait(&cli->client, path, *etag, &reply, &err) != 0) {
		free(path);
		return cli_unreachable(cli, &err);
	}
	if (reply.status == OK) {
		code = cli_parse(&reply, &job);
		*ret_over = code == CLI_OK && job_is_final(job);
		free(*etag);
		*etag = mem_dup(reply.etag);
	} else if (reply.status != NOT_MODIFIED) {
		code = cli_refused(&reply);
	}
	json_decref(job);
	client_reply_finish(&reply);
	free(path);
	return code;
}

/* The document is read before the log, so that no event of a job that has ended is missed. */
static enum cli_exit follow(struct cli *cli)
{
	struct follower follower = {.cli = cli};
	char *etag = mem_dup(""),
	     *type = client_escape(cli->options[OPTION_TYPE] != NULL ? cli->options[OPTION_TYPE]
								     : "");
	bool over = false;
	enum cli_exit code = CLI_OK;

	while (code == CLI_OK && !over) {
		code = wait_for_change(cli, &etag, &over);
		if (code == CLI_OK) {
			char *rest = mem_printf("/events?limit=1000&after=%lld%s%s",
						(long long)follower.last,
						type[0] != '\0' ? "&type=" : "", type);
			char *path = cli_job_path(cli, rest);

			code = cli_each(cli, path, print_event, &follower);
			(void)fflush(stdout);
			free(path);
			free(rest);
		}
	}
	json_decref(follower.stages);
	free(type);
	free(etag);
	return code;
}

enum cli_exit events_run(struct cli *cli)
{
	struct follower follower = {.cli = cli};
	char *path;
	enum cli_exit code;

	if (cli->options[OPTION_FOLLOW] != NULL) {
		return follow(cli);
	}
	path = cli_job_path(cli, "/events");
	code = cli_pages(cli, path, true, print_event, &follower);
	json_decref(follower.stages);
	free(path);
	return code;
}
