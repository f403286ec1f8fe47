/* Asks the daemon which job is meant by an id, its beginning, or a name. */
#include "cli/find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/text.h"

#define PREFIX "job_"

enum { SHOWN_MAX = 5, TEXT_MAX = 4096, ID_LENGTH = 30 };

/* The jobs that a word fits. */
struct matches {
	const char *prefix; /* of their ids; NULL: whatever the daemon finds */
	size_t count;
	char *first;     /* an id; owned */
	struct buf list; /* of the first few, for people */
};

static void add_match(void *arg, const json_t *job)
{
	struct matches *matches = arg;
	const char *id = json_string_value(json_object_get(job, "id"));

	if (id == NULL || (matches->prefix != NULL &&
			   strncmp(id, matches->prefix, strlen(matches->prefix)) != 0)) {
		return;
	}
	if (matches->count == 0) {
		matches->first = mem_dup(id);
	}
	if (matches->count < SHOWN_MAX) {
		char *clean = text_clean(id), *name = text_member(job, "name");
		char *created = text_time(json_string_value(json_object_get(job, "created_at")));

		buf_printf(&matches->list, "  %s  %s  %.64s\n", clean, created, name);
		free(clean);
		free(name);
		free(created);
	}
	matches->count++;
}

static enum cli_exit one_of(const char *word, struct matches *matches, char **ret_id)
{
	char *clean = text_clean(word);
	enum cli_exit code = CLI_OK;

	if (matches->count == 0) {
		(void)fprintf(stderr,
			      "narrow: no job has the id or the name %s: \"narrow jobs\" lists "
			      "them\n",
			      clean);
		code = CLI_REFUSED;
	} else if (matches->count > 1) {
		(void)fprintf(stderr, "narrow: %s may be any of %zu jobs:\n%s%s", clean,
			      matches->count, matches->list.bytes,
			      matches->count > SHOWN_MAX ? "  ... and more\n" : "");
		code = CLI_USAGE;
	} else {
		*ret_id = mem_dup(matches->first);
	}
	free(clean);
	return code;
}

/* Those that fit the id's beginning or, when none does, the name. */
static enum cli_exit look_up(struct cli *cli, const char *word, struct matches *matches)
{
	enum cli_exit code = CLI_OK;
	char *escaped, *path;

	if (strncmp(word, PREFIX, strlen(PREFIX)) == 0) {
		matches->prefix = word;
		code = cli_each(cli, "/v1/jobs?limit=1000", add_match, matches);
		matches->prefix = NULL;
	}
	if (code != CLI_OK || matches->count > 0) {
		return code;
	}
	escaped = client_escape(word);
	path = mem_printf("/v1/jobs?limit=1000&name=%s", escaped);
	code = cli_each(cli, path, add_match, matches);
	free(path);
	free(escaped);
	return code;
}

static enum cli_exit newest(struct cli *cli, struct matches *matches)
{
	json_t *page = NULL;
	enum cli_exit code = cli_get(cli, "/v1/jobs?limit=1", &page);

	if (json_array_size(json_object_get(page, "items")) > 0) {
		add_match(matches, json_array_get(json_object_get(page, "items"), 0));
	}
	json_decref(page);
	return code;
}

enum cli_exit find_job(struct cli *cli, const char *word, char **ret_id)
{
	struct matches matches = {0};
	enum cli_exit code;

	*ret_id = NULL;
	if (strncmp(word, PREFIX, strlen(PREFIX)) == 0 && strlen(word) == ID_LENGTH) {
		*ret_id = mem_dup(word);
		return CLI_OK;
	}
	buf_init(&matches.list, TEXT_MAX);
	code = strcmp(word, "last") == 0 ? newest(cli, &matches) : look_up(cli, word, &matches);
	if (code == CLI_OK) {
		code = one_of(word, &matches, ret_id);
	}
	free(matches.first);
	buf_finish(&matches.list);
	return code;
}
