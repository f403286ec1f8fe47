/* The table of the tools of narrow mcp, and how each becomes a command of narrow. */
#include "cli/mcp_tools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/child.h"
#include "cli/cli.h"

enum {
	PARAMETERS_MAX = 3,
	WORDS_MAX = 12,
	TEXT_BYTES =
		1700, /* escaped; with the frame around it and the note an answer stays below 2 kB */
	OUTPUT_BYTES = 128 * 1024 * 1024,
	TICK_MS = 100,
	WATCH_S = 30,
	WATCH_S_MAX = 600
};

enum special {
	NOTHING,
	GIVES_JOB,
	WAITS,
	WRITES
}; /* what a tool does besides running its command */

/* A word of a command that begins with "=" is the value of that parameter; where that is not given, the word and the
 * option before it are left out. */
static const struct tool {
	const char *name, *description;
	bool changes;
	enum special special;
	const char *command[WORDS_MAX];
	struct {
		const char *name, *type, *description;
		bool optional;
	} parameters[PARAMETERS_MAX];
} tools[] = {
	{"probe",
	 "Ask an evaluator what it can do to which operators, and which metrics it measures.",
	 false,
	 NOTHING,
	 {"probe", "=evaluator"},
	 {{"evaluator", "string", "its URL, or its id: evl_...", false}}},
	{"dry_run",
	 "Say what a job would try, and everything that is wrong with it. Nothing is stored.",
	 false,
	 GIVES_JOB,
	 {"submit", "-", "--dry-run"},
	 {{"job", "object", "the body of POST /v1/jobs, see docs/jobs.md", false}}},
	{"submit",
	 "Start a job. Its id comes back.",
	 true,
	 GIVES_JOB,
	 {"submit", "-"},
	 {{"job", "object", "the body of POST /v1/jobs; try it with dry_run first", false}}},
	{"jobs",
	 "List the newest jobs with their state and what they found.",
	 false,
	 NOTHING,
	 {"jobs", "--limit", "=limit"},
	 {{"limit", "integer", "how many; as many as fit where it is not said", true}}},
	{"watch",
	 "Wait for the end of a job, for some seconds at most, and say how far it is.",
	 false,
	 WAITS,
	 {"show", "=job"},
	 {{"job", "string", "its id, its name, or \"last\"", false},
	  {"seconds", "integer", "how long to wait at most: 30 where it is not said, 0 to 600",
	   true}}},
	{"best",
	 "Say what a job has found, against the model as it came: the verdict, and each operator's "
	 "mode.",
	 false,
	 NOTHING,
	 {"best", "=job", "--ok-keep", "--tolerable-loss", "=tolerable_loss"},
	 {{"job", "string", "its id, its name, or \"last\"", false},
	  {"tolerable_loss", "number", "another one than the job's", true}}},
	{"why",
	 "Say why an operator is in the mode that it has in the best config, fp32 for instance.",
	 false,
	 NOTHING,
	 {"why", "=job", "=operator"},
	 {{"job", "string", "its id, its name, or \"last\"", false},
	  {"operator", "string", "its name, as in the capability", false}}},
	{"export",
	 "Give the best config as a tool takes it; docs/exports.md says how to carry it out.",
	 false,
	 WRITES,
	 {"export", "=job", "--format", "=format"},
	 {{"job", "string", "its id, its name, or \"last\"", false},
	  {"format", "string",
	   "one that GET /v1/jobs/ID/export knows: onnxruntime, torchao, autoround ...", false},
	  {"file", "string", "where to write it, a new file; only with --allow-changes", true}}},
	{"cancel",
	 "End a job now. What it has measured stays.",
	 true,
	 NOTHING,
	 {"cancel", "=job"},
	 {{"job", "string", "its id, its name, or \"last\"", false}}},
};

json_t *mcp_tools_list(bool changes)
{
	json_t *list = json_array();

	for (size_t t = 0; t < sizeof(tools) / sizeof(tools[0]); t++) {
		const struct tool *tool = &tools[t];
		json_t *properties = json_object(), *required = json_array();

		for (int p = 0; p < PARAMETERS_MAX && tool->parameters[p].name != NULL; p++) {
			(void)json_object_set_new(properties, tool->parameters[p].name,
						  json_pack("{s:s, s:s}", "type",
							    tool->parameters[p].type, "description",
							    tool->parameters[p].description));
			if (!tool->parameters[p].optional) {
				(void)json_array_append_new(required,
							    json_string(tool->parameters[p].name));
			}
		}
		if (!tool->changes || changes) {
			(void)json_array_append_new(
				list,
				json_pack("{s:s, s:s, s:{s:s, s:O, s:O, s:b}, s:{s:b}}", "name",
					  tool->name, "description", tool->description,
					  "inputSchema", "type", "object", "properties", properties,
					  "required", required, "additionalProperties", 0,
					  "annotations", "readOnlyHint", !tool->changes));
		}
		json_decref(properties);
		json_decref(required);
	}
	return list;
}

/* How many bytes of `text` take at most TEXT_BYTES in JSON, whole characters of UTF-8. */
static size_t fitting(const char *text)
{
	size_t cost = 0, length = 0;

	for (size_t i = 0; text[i] != '\0'; i++) {
		unsigned char byte = (unsigned char)text[i];

		cost += byte < 0x20 && byte != '\n' && byte != '\t'  ? 6
			: byte < 0x20 || byte == '"' || byte == '\\' ? 2
								     : 1;
		if (cost > TEXT_BYTES) {
			break;
		}
		if (((unsigned char)text[i + 1] & 0xc0) != 0x80) {
			length = i + 1;
		}
	}
	return length;
}

/* Takes over `text`. */
static json_t *result_json(char *text, bool is_error)
{
	size_t whole = strlen(text), length = fitting(text);
	char *cut = length < whole ? mem_printf("%.*s\n... (%zu bytes in all, %zu shown)",
						(int)length, text, whole, length)
				   : mem_dup(text);
	json_t *content = json_pack("{s:s, s:s}", "type", "text", "text", cut);

	/* What a terminal shows may not be UTF-8. */
	if (content == NULL) {
		content =
			json_pack("{s:s, s:s}", "type", "text", "text", "the answer is not UTF-8");
	}
	free(cut);
	free(text);
	return json_pack("{s:[o], s:b}", "content", content, "isError", is_error);
}

static bool goes_on(void *arg, const char *output)
{
	(void)output;
	return clock_mono_ms() < *(const int64_t *)arg;
}

/* Runs narrow; what it wrote is the caller's: with its errors among it, in the order in which they come, or with the last of
 * them apart. Its exit status, -1 when it was stopped. */
static int run_narrow(const char *const *words, const char *input, int64_t until, char **ret,
		      char **ret_last)
{
	char *argv[WORDS_MAX + 5] = {"sh", "-c",
				     ret_last == NULL ? "exec /proc/$PPID/exe \"$@\" 2>&1"
						      : "exec /proc/$PPID/exe \"$@\"",
				     "narrow"};
	struct child_plan plan = {.argv = argv,
				  .input = input,
				  .input_length = strlen(input),
				  .max_output = OUTPUT_BYTES,
				  .tick_ms = TICK_MS,
				  .tick = goes_on,
				  .arg = &until};
	struct child_output output = {0};
	struct child *child = NULL;
	struct err err;
	int status;

	for (size_t i = 0; words[i] != NULL; i++) {
		argv[4 + i] = (char *)words[i];
	}
	err_init(&err);
	if (ret_last != NULL) {
		*ret_last = NULL;
	}
	if (child_run(&child, &plan, &output, &err) != 0) {
		*ret = mem_dup(err.message);
		status = CLI_USAGE;
	} else {
		*ret = mem_dup(output.text != NULL ? output.text : "");
		if (ret_last != NULL && output.last != NULL && output.last[0] != '\0') {
			*ret_last = mem_dup(output.last);
		}
		status = output.stopped || !WIFEXITED(output.status) ? -1
								     : WEXITSTATUS(output.status);
	}
	child_output_finish(&output);
	return status;
}

static const char *type_name(const json_t *value)
{
	return json_is_string(value)    ? "string"
	       : json_is_integer(value) ? "integer"
	       : json_is_number(value)  ? "number"
	       : json_is_object(value)  ? "object"
					: "";
}

/* What is wrong with the arguments; NULL when nothing is. The caller frees. */
static char *fault_of(const struct tool *tool, const json_t *arguments, bool changes)
{
	size_t known = 0;

	for (int p = 0; p < PARAMETERS_MAX && tool->parameters[p].name != NULL; p++) {
		const char *name = tool->parameters[p].name, *type = tool->parameters[p].type;
		const json_t *value = json_object_get(arguments, name);
		const char *text = json_string_value(value);
		bool fits = strcmp(type_name(value), type) == 0 ||
			    (strcmp(type, "number") == 0 && json_is_integer(value));

		known += value != NULL;
		if (value == NULL ? !tool->parameters[p].optional : !fits) {
			return mem_printf("%s must be given, and be of the type %s", name, type);
		}
		/* It would be taken for an option. */
		if (text != NULL && (text[0] == '-' || text[0] == '\0')) {
			return mem_printf("%s cannot begin with \"-\", nor be empty", name);
		}
	}
	if (known != json_object_size(arguments)) {
		return mem_printf("there is an argument that %s does not have", tool->name);
	}
	if (json_object_get(arguments, "file") != NULL && !changes) {
		return mem_dup("file needs narrow mcp --allow-changes");
	}
	return NULL;
}

/* The words of a tool's command with the values in them; those in `made` are the caller's. */
static void fill(const struct tool *tool, const json_t *arguments, const char **words, char **made)
{
	size_t count = 0, values = 0;

	for (int i = 0; i < WORDS_MAX && tool->command[i] != NULL; i++) {
		const char *word = tool->command[i];
		const json_t *value = word[0] == '=' ? json_object_get(arguments, word + 1) : NULL;

		if (word[0] != '=') {
			words[count++] = word;
		} else if (value == NULL) {
			count--; /* the option before it */
		} else if (json_is_string(value)) {
			words[count++] = json_string_value(value);
		} else {
			made[values] = json_dumps(value, JSON_ENCODE_ANY);
			words[count++] = made[values++];
		}
	}
	words[count] = NULL;
}

static void wait_for_end(const json_t *arguments)
{
	const json_t *said = json_object_get(arguments, "seconds");
	int64_t seconds = said != NULL ? json_integer_value(said) : WATCH_S;
	const char *words[] = {"wait", json_string_value(json_object_get(arguments, "job")), NULL};
	char *text;

	seconds = seconds < 0 ? 0 : seconds > WATCH_S_MAX ? WATCH_S_MAX : seconds;
	if (seconds > 0) {
		(void)run_narrow(words, "", clock_mono_ms() + seconds * 1000, &text, NULL);
		free(text);
	}
}

/* Puts the text into a new file; says so in its place, with a warning that came beside it. */
static char *write_file(const char *path, char *text, const char *warning, int *status)
{
	FILE *file = fopen(path, "wxe");
	bool written = file != NULL && fputs(text, file) >= 0;
	char *said;

	written = file != NULL && fclose(file) == 0 && written;
	said = written ? mem_printf("wrote %zu bytes to %s%s%s", strlen(text), path,
				    warning != NULL ? "\n" : "", warning != NULL ? warning : "")
		       : mem_printf("cannot write %s: %s", path, strerror(errno));
	*status = written ? CLI_OK : CLI_USAGE;
	free(text);
	return said;
}

static json_t *call(const struct tool *tool, const json_t *arguments)
{
	const char *words[WORDS_MAX + 1] = {NULL}, *file = NULL;
	char *made[WORDS_MAX] = {NULL}, *text, *last = NULL;
	char *job =
		tool->special == GIVES_JOB ? json_text(json_object_get(arguments, "job")) : NULL;
	int status;

	if (tool->special == WAITS) {
		wait_for_end(arguments);
	}
	fill(tool, arguments, words, made);
	file = tool->special == WRITES ? json_string_value(json_object_get(arguments, "file"))
				       : NULL;
	status = run_narrow(words, job != NULL ? job : "", INT64_MAX, &text,
			    file != NULL ? &last : NULL);
	if (file != NULL && status == CLI_OK) {
		text = write_file(file, text, last, &status);
	} else if (last != NULL) {
		free(text);
		text = last;
		last = NULL;
	}
	free(last);
	for (int i = 0; i < WORDS_MAX; i++) {
		free(made[i]);
	}
	free(job);
	/* That a criterion was missed, or the baseline is to be kept, is an answer. */
	return result_json(text, status != CLI_OK && status != CLI_NOT_MET && status != CLI_KEEP);
}

json_t *mcp_tools_call(const char *name, const json_t *arguments, bool changes)
{
	for (size_t t = 0; t < sizeof(tools) / sizeof(tools[0]); t++) {
		const struct tool *tool = &tools[t];
		char *fault;

		if (strcmp(tool->name, name) != 0 || (tool->changes && !changes)) {
			continue;
		}
		fault = fault_of(tool, arguments, changes);
		return fault != NULL ? result_json(fault, true) : call(tool, arguments);
	}
	return NULL;
}
