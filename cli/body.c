/* Reads a job's file without its comments, and sets members in it by their paths. */
#include "cli/body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

#define SET_EXAMPLE "tuning_criterion.max_trials=30"

static const struct json_limits limits = {
	.max_bytes = LIMIT_BODY_BYTES,
	.max_depth = LIMIT_JSON_DEPTH,
	.max_values = LIMIT_JSON_VALUES,
};

/* The file's text, or NULL and why not. */
static char *read_text(FILE *file, const char **ret_wrong)
{
	struct buf buf;
	char part[16 * 1024];
	size_t n = sizeof(part);

	buf_init(&buf, LIMIT_BODY_BYTES);
	while (n == sizeof(part) && !buf.failed) {
		n = fread(part, 1, sizeof(part), file);
		buf_add(&buf, part, n);
	}
	if (ferror(file) != 0) {
		*ret_wrong = strerror(errno);
	} else if (buf.failed) {
		*ret_wrong = "too large: a job is at most 8 MiB";
	} else if (buf.length == 0) {
		*ret_wrong = "empty: a job in JSON is expected";
	} else if (strlen(buf.bytes) != buf.length) {
		*ret_wrong = "not text: a job in JSON is expected";
	} else {
		return buf_take(&buf, NULL);
	}
	buf_finish(&buf);
	return NULL;
}

/* The first byte behind the string that begins here. */
static char *string_end(char *at)
{
	for (at++; *at != '\0' && *at != '"'; at++) {
		at += *at == '\\' && at[1] != '\0';
	}
	return at + (*at == '"');
}

/* The first byte behind the comment that begins here; `at` when none does, NULL when it does not end. */
static char *comment_end(char *at)
{
	if (strncmp(at, "//", 2) == 0) {
		return at + strcspn(at, "\n");
	}
	if (strncmp(at, "/*", 2) == 0) {
		char *end = strstr(at + 2, "*/");

		return end != NULL ? end + 2 : NULL;
	}
	return at;
}

bool body_blank_comments(char *text)
{
	while (*text != '\0') {
		char *end = comment_end(text);

		if (end == NULL) {
			return false;
		}
		if (end == text) {
			text = *text == '"' ? string_end(text) : text + 1;
		}
		for (; text < end; text++) {
			*text = *text == '\n' ? '\n' : ' ';
		}
	}
	return true;
}

static char *read_file(const char *name)
{
	bool is_input = strcmp(name, "-") == 0;
	FILE *file = is_input ? stdin : fopen(name, "re");
	const char *wrong = file == NULL ? strerror(errno) : NULL;
	char *text = file != NULL ? read_text(file, &wrong) : NULL;

	if (file != NULL && !is_input) {
		(void)fclose(file);
	}
	if (text != NULL && !body_blank_comments(text)) {
		wrong = "a comment that begins with /* does not end";
		free(text);
		text = NULL;
	}
	if (text == NULL) {
		(void)fprintf(stderr, "narrow: %s: %s\n", is_input ? "standard input" : name,
			      wrong);
	}
	return text;
}

/* The next name of a path, which the caller frees; *at goes to what follows it. NULL when there is none. */
static char *next_name(const char **at)
{
	bool quoted = **at == '"';
	const char *start = *at + quoted;
	size_t length = strcspn(start, quoted ? "\"" : ".=\"");
	const char *end = start + length;

	if (length == 0 || (quoted && *end != '"')) {
		return NULL;
	}
	*at = end + quoted;
	return mem_dup_n(start, length);
}

/* A value in JSON, or a bare word, which is a string. New reference; NULL and why not. */
static json_t *value_of(const char *text, char **ret_wrong)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);

	if (value != NULL) {
		return value;
	}
	if (strchr("{[\"", text[0]) == NULL || text[0] == '\0') {
		value = json_string(text);
		*ret_wrong = value == NULL ? mem_dup("the value is not UTF-8 text") : NULL;
	} else {
		*ret_wrong = mem_printf("the value begins like JSON and is none: %s", error.text);
	}
	return value;
}

/* The object to set the rest of a path in, made when it is not there; NULL and why not. */
static json_t *object_below(json_t *object, const char *name, char **ret_wrong)
{
	json_t *below = json_object_get(object, name);

	if (below == NULL || json_is_null(below)) {
		below = json_object();
		if (json_object_set_new(object, name, below) != 0) {
			*ret_wrong = mem_dup("the path is not UTF-8 text");
			return NULL;
		}
	} else if (!json_is_object(below)) {
		*ret_wrong = mem_printf(
			"%s is not an object in this job: nothing can be set below it", name);
		return NULL;
	}
	return below;
}

/* Sets what the text "a.b=VALUE" says. NULL when it has, otherwise why not, which the caller frees. */
static char *set_one(json_t *object, const char *at)
{
	char *wrong = NULL;
	int depth = 0;

	while (object != NULL && wrong == NULL) {
		char *name = next_name(&at);
		json_t *value;

		if (name == NULL || (*at != '.' && *at != '=')) {
			wrong = mem_dup("PATH=VALUE is expected, as in --set " SET_EXAMPLE
					"; a name with dots stands in quotes");
		} else if (++depth > LIMIT_JSON_DEPTH) {
			wrong = mem_dup("the path has too many names");
		} else if (*at++ == '.') {
			object = object_below(object, name, &wrong);
		} else {
			value = value_of(at, &wrong);
			if (value != NULL && json_object_set_new(object, name, value) != 0) {
				wrong = mem_dup("the path is not UTF-8 text");
			}
			object = NULL;
		}
		free(name);
	}
	return wrong;
}

bool body_set(const struct cli *cli, json_t *body)
{
	char *wrong = NULL;

	for (size_t i = 0; i < cli->set_count && wrong == NULL; i++) {
		wrong = set_one(body, cli->sets[i]);
		if (wrong != NULL) {
			(void)fprintf(stderr, "narrow: --set %s: %s\n", cli->sets[i], wrong);
			free(wrong);
			return false;
		}
	}
	return true;
}

void body_copy_set(const struct cli *cli, const json_t *from, json_t *to)
{
	for (size_t i = 0; i < cli->set_count; i++) {
		const char *at = cli->sets[i];
		char *name = next_name(&at);

		if (name != NULL) {
			(void)json_object_set(to, name, json_object_get(from, name));
		}
		free(name);
	}
}

/* The text with everything set; takes it over. NULL when something was wrong, which has been said then. */
static char *set_all(const struct cli *cli, const char *name, char *text)
{
	bool is_input = strcmp(name, "-") == 0;
	struct err err;
	json_t *body;
	char *changed;

	err_init(&err);
	body = json_parse(text, strlen(text), &limits, &err);
	free(text);
	if (body == NULL) {
		(void)fprintf(stderr, "narrow: %s: %s\n", is_input ? "standard input" : name,
			      err.message);
		return NULL;
	}
	changed = body_set(cli, body) ? json_text(body) : NULL;
	json_decref(body);
	return changed;
}

char *body_read(const struct cli *cli, const char *name)
{
	char *text = read_file(name);

	return text != NULL && cli->set_count > 0 ? set_all(cli, name, text) : text;
}
