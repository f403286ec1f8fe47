/* Asks the daemon, goes through pages, prints JSON, and puts refusals into words. */
#include "cli/cli.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/text.h"

/* What the type of every refusal of narrowd begins with. */
#define PROBLEM_TYPE "urn:narrowd:problem:"

enum { OK_FIRST = 200, OK_LAST = 299, PAGE_MAX = 1000, PAUSE_MS = 250 };

static const struct json_limits limits = {
	.max_bytes = (size_t)1 << 30,
	.max_depth = 64,
	.max_values = (size_t)100 * 1000 * 1000,
};

bool cli_is_patient(struct cli *cli, struct err *err)
{
	static const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000L * 1000L};

	if ((err != NULL && client_is_futile(&cli->client, err)) ||
	    clock_mono_ms() >= cli->patient_until) {
		return false;
	}
	if (!cli->told_patient) {
		(void)fprintf(stderr,
			      "narrow: the daemon is not ready yet; trying for %d seconds\n",
			      CLI_PATIENCE_MS / 1000);
		cli->told_patient = true;
	}
	(void)nanosleep(&pause, NULL);
	return true;
}

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

/* A terminal gets no control characters. */
static void print_text(const char *text, size_t length)
{
	if (isatty(STDOUT_FILENO) == 1) {
		char *safe = text_safe(text);

		(void)fputs(safe, stdout);
		free(safe);
	} else {
		(void)fwrite(text, 1, length, stdout);
	}
}

void cli_print_json(const json_t *value)
{
	char *text = json_text(value);

	print_text(text, strlen(text));
	(void)putchar('\n');
	free(text);
}

void cli_print(const struct client_reply *reply)
{
	print_text(reply->body, reply->length);
	if (reply->length > 0 && reply->body[reply->length - 1] != '\n') {
		(void)putchar('\n');
	}
}

static bool is_ok(const struct client_reply *reply)
{
	return reply->status >= OK_FIRST && reply->status <= OK_LAST;
}

enum cli_exit cli_call(struct cli *cli, const char *method, const char *path, const char *body,
		       struct client_reply *ret_reply)
{
	struct err err;
	enum cli_exit code;

	err_init(&err);
	while (client_call(&cli->client, method, path, body, ret_reply, &err) != 0) {
		if (!cli_is_patient(cli, &err)) {
			return cli_unreachable(cli, &err);
		}
		err_init(&err);
	}
	if (is_ok(ret_reply)) {
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

json_t *cli_beside(struct cli *cli, const char *path)
{
	struct client_reply reply;
	json_t *answer = NULL;

	if (client_call(&cli->client, "GET", path, NULL, &reply, NULL) != 0) {
		return NULL;
	}
	if (is_ok(&reply)) {
		answer = json_parse(reply.body, reply.length, &limits, NULL);
	}
	client_reply_finish(&reply);
	return answer;
}

enum cli_exit cli_pass_on(struct cli *cli, const char *method, const char *path)
{
	struct client_reply reply;
	enum cli_exit code = cli_call(cli, method, path, NULL, &reply);

	if (code == CLI_OK) {
		cli_print(&reply);
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

static enum cli_exit ask_page(struct cli *cli, const char *path, struct client_reply *ret_reply,
			      json_t **ret_page)
{
	enum cli_exit code = cli_call(cli, "GET", path, NULL, ret_reply);

	*ret_page = NULL;
	if (code == CLI_OK) {
		code = cli_parse(ret_reply, ret_page);
		if (code != CLI_OK) {
			client_reply_finish(ret_reply);
		}
	}
	return code;
}

/* The path of the next page, which the caller frees; NULL after the last. */
static char *next_path(const char *path, const json_t *page)
{
	const char *next = json_string_value(json_object_get(page, "next"));
	char *cursor, *target;

	if (next == NULL) {
		return NULL;
	}
	cursor = client_escape(next);
	target = mem_printf("%s%ccursor=%s", path, strchr(path, '?') != NULL ? '&' : '?', cursor);
	free(cursor);
	return target;
}

/* What is to be done with the items of a list. */
struct sink {
	void (*add)(void *arg, const json_t *item); /* NULL: a line of JSON for each */
	void *arg;
	size_t left;   /* so many more */
	json_t *items; /* gathers them instead, or NULL */
};

static void put(struct sink *sink, json_t *item)
{
	if (sink->left == 0) {
		return;
	}
	sink->left--;
	if (sink->items != NULL) {
		(void)json_array_append(sink->items, item);
	} else if (sink->add != NULL) {
		sink->add(sink->arg, item);
	} else {
		cli_print_json(item);
	}
}

/* Until the last page or the limit; a first page that is all is printed as it came when they are gathered. */
static enum cli_exit drain(struct cli *cli, const char *path, struct sink *sink)
{
	char *target = mem_dup(path);
	bool first = true;
	enum cli_exit code = CLI_OK;

	while (code == CLI_OK && target != NULL && sink->left > 0) {
		struct client_reply reply;
		json_t *page, *item;
		size_t i;

		code = ask_page(cli, target, &reply, &page);
		free(target);
		target = NULL;
		if (code != CLI_OK) {
			break;
		}
		target = next_path(path, page);
		if (first && sink->items != NULL && target == NULL) {
			cli_print(&reply);
			sink->left = 0;
		}
		json_array_foreach(json_object_get(page, "items"), i, item) {
			put(sink, item);
		}
		first = false;
		client_reply_finish(&reply);
		json_decref(page);
	}
	free(target);
	return code;
}

enum cli_exit cli_each(struct cli *cli, const char *path,
		       void (*add)(void *arg, const json_t *item), void *arg)
{
	struct sink sink = {.add = add, .arg = arg, .left = SIZE_MAX};

	return drain(cli, path, &sink);
}

bool cli_each_beside(struct cli *cli, const char *path, void (*add)(void *arg, const json_t *item),
		     void *arg)
{
	char *target = mem_dup(path);
	bool all = true;

	while (target != NULL) {
		json_t *page = cli_beside(cli, target), *item;
		size_t i;

		free(target);
		target = next_path(path, page);
		all = page != NULL;
		json_array_foreach(json_object_get(page, "items"), i, item) {
			add(arg, item);
		}
		json_decref(page);
	}
	return all;
}

/* Adds "NAME=VALUE" to a path; frees that. */
static char *with_query(char *path, const char *name, const char *value)
{
	char *escaped = client_escape(value);
	char *longer =
		mem_printf("%s%c%s=%s", path, strchr(path, '?') != NULL ? '&' : '?', name, escaped);

	free(escaped);
	free(path);
	return longer;
}

static char *filtered_path(const struct cli *cli, const char *path)
{
	static const struct {
		enum cli_option option;
		const char *name;
	} filters[] = {
		{OPTION_STATE, "state"}, {OPTION_NAME, "name"},   {OPTION_STAGE, "stage"},
		{OPTION_KIND, "kind"},   {OPTION_ORDER, "order"}, {OPTION_TYPE, "type"},
	};
	const char *label = cli->options[OPTION_LABEL];
	char *longer = mem_dup(path);

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		if (cli->options[filters[i].option] != NULL) {
			longer = with_query(longer, filters[i].name,
					    cli->options[filters[i].option]);
		}
	}
	if (cli->options[OPTION_FEASIBLE] != NULL) {
		longer = with_query(longer, "feasible", "true");
	}
	if (label != NULL) {
		size_t length = strcspn(label, "=");
		char *key = mem_dup_n(label, length), *escaped = client_escape(key);
		char *name = mem_printf("label.%s", escaped);

		longer = with_query(longer, name, label + length + (label[length] == '='));
		free(name);
		free(escaped);
		free(key);
	}
	return longer;
}

/* What --limit says; SIZE_MAX without it, 0 when it is no number. */
static size_t limit_of(const struct cli *cli)
{
	const char *text = cli->options[OPTION_LIMIT];
	char *end = NULL;
	unsigned long long limit = text != NULL ? strtoull(text, &end, 10) : SIZE_MAX;

	return text != NULL && (text[0] < '0' || text[0] > '9' || *end != '\0') ? 0 : (size_t)limit;
}

enum cli_exit cli_pages(struct cli *cli, const char *path, bool paged,
			void (*add)(void *arg, const json_t *item), void *arg)
{
	bool lines = cli->options[OPTION_JSONL] != NULL;
	bool json = cli->options[OPTION_JSON] != NULL;
	struct sink sink = {.add = json ? NULL : add, .arg = arg, .left = limit_of(cli)};
	size_t limit = sink.left;
	char *filtered = filtered_path(cli, path);
	enum cli_exit code;

	if (limit == 0) {
		(void)fprintf(stderr, "narrow: --limit must be a number above 0\n");
		free(filtered);
		return CLI_USAGE;
	}
	if (paged) {
		char number[32];

		(void)snprintf(number, sizeof(number), "%zu", limit < PAGE_MAX ? limit : PAGE_MAX);
		filtered = with_query(filtered, "limit", number);
	}
	sink.items = json && !lines ? json_array() : NULL;
	code = drain(cli, filtered, &sink);
	if (code == CLI_OK && json_array_size(sink.items) > 0) {
		json_t *page = json_pack("{s:O, s:n}", "items", sink.items, "next");

		cli_print_json(page);
		json_decref(page);
	}
	json_decref(sink.items);
	free(filtered);
	return code;
}

char *cli_job_path(const struct cli *cli, const char *rest)
{
	char *id = client_escape(cli->argument);
	char *path = mem_printf("/v1/jobs/%s%s", id, rest);

	free(id);
	return path;
}

enum cli_exit cli_get_job(struct cli *cli, const char *rest, json_t **ret_answer)
{
	char *path = cli_job_path(cli, rest);
	enum cli_exit code = cli_get(cli, path, ret_answer);

	free(path);
	return code;
}

/* 0, or errno. */
static int write_file(const char *name, const char *text)
{
	FILE *file;
	int error;

	errno = 0;
	file = fopen(name, "wxe");
	if (file == NULL) {
		return errno;
	}
	error = fputs(text, file) == EOF ? errno : 0;
	if (fclose(file) != 0 && error == 0) {
		error = errno;
	}
	return error;
}

enum cli_exit cli_make_file(const char *name, const char *text)
{
	int error = write_file(name, text);

	if (error == 0) {
		return CLI_OK;
	}
	(void)fprintf(stderr, "narrow: %s: %s\n", name,
		      error == EEXIST ? "is there already; choose another name or remove it"
				      : strerror(error));
	return CLI_USAGE;
}
