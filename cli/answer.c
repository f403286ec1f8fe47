/* What a command wrote, made into what the daemon is sent. */
#include "cli/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

/* As shells say it, and child.c. */
enum { CANNOT_RUN = 126, NOT_FOUND = 127 };
/* So much of what is no answer is sent, for the daemon to refuse. */
enum { NO_ANSWER_BYTES = 1000 };

static const struct json_limits limits = {
	.max_bytes = LIMIT_REPLY_BYTES,
	.max_depth = LIMIT_JSON_DEPTH,
	.max_values = LIMIT_JSON_VALUES,
	.words = true,
};

char *answer_failure(char *error, bool retryable)
{
	char *line = buf_line(error, strlen(error), LIMIT_ERROR_TEXT_BYTES);
	json_t *value =
		json_pack("{s:b, s:s, s:b}", "failed", 1, "error", line, "retryable", retryable);
	char *text = json_text(value);

	json_decref(value);
	free(line);
	free(error);
	return text;
}

/* Whether it says how far the command is, and nothing else. */
static bool is_progress(const json_t *value)
{
	return json_object_size(value) == 1 && json_object_get(value, "progress") != NULL;
}

char *answer_progress(const char *output)
{
	const char *end = strrchr(output, '\n');
	char *text = NULL;

	while (end != NULL && text == NULL) {
		const char *start = memrchr(output, '\n', (size_t)(end - output));
		const char *line = start != NULL ? start + 1 : output;
		json_t *value = json_loadb(line, (size_t)(end - line), 0, NULL);

		text = is_progress(value) ? json_text(value) : NULL;
		json_decref(value);
		end = start;
	}
	return text != NULL ? text : mem_dup("{}");
}

static bool begins_object(const char *line, size_t length)
{
	size_t blanks = 0;

	while (blanks < length && strchr(" \t\r", line[blanks]) != NULL) {
		blanks++;
	}
	return blanks < length && line[blanks] == '{';
}

static void print_line(const char *line, size_t length)
{
	if (length > 0) {
		(void)fprintf(stderr, "%.*s\n", (int)length, line);
	}
}

/* How many bytes it is to the end of the line that closes the braces which open here; 0 when nothing does, or that line
 * goes on. */
static size_t object_length(const char *text)
{
	bool in_string = false;
	size_t depth = 0, i = 0;

	do {
		char c = text[i];

		if (c == '\0' || (c == '\n' && in_string) || depth > LIMIT_JSON_DEPTH) {
			return 0;
		}
		if (c == '"') {
			in_string = !in_string;
		} else if (in_string) {
			i += c == '\\' && text[i + 1] != '\0';
		} else {
			depth += c == '{';
			depth -= c == '}';
		}
		i++;
	} while (depth > 0 || text[i - 1] != '}');
	i += strspn(text + i, " \t\r");
	return text[i] == '\n' || text[i] == '\0' ? i : 0;
}

/* The last object of the output, a new reference; without one the error is that of the last that began. */
static json_t *last_object(const char *output, struct err *reterr)
{
	json_t *last = NULL;

	(void)err_set(reterr, ERR_INVALID_JSON, "there is no JSON object in it");
	while (*output != '\0') {
		size_t length = strcspn(output, "\n"), whole = 0;
		json_t *value = NULL;

		if (begins_object(output, length)) {
			whole = object_length(output);
			err_init(reterr);
			value = json_parse(output, whole > 0 ? whole : length, &limits, reterr);
		}
		if (value == NULL) {
			print_line(output, length);
		} else if (!is_progress(value)) {
			json_decref(last);
			last = json_incref(value);
		}
		json_decref(value);
		length = value != NULL ? whole : length;
		output += length + (output[length] == '\n');
	}
	return last;
}

bool answer_is_line(const char *line, size_t length, const char *lease)
{
	json_t *value;
	const char *other;
	bool is_answer = false;

	if (!begins_object(line, length)) {
		print_line(line, length);
		return false;
	}
	value = json_parse(line, length, &limits, NULL);
	other = json_string_value(json_object_get(value, "lease"));
	if (other != NULL && strcmp(other, lease) != 0) {
		(void)fprintf(stderr, "narrow: passed over, for another question: %.*s\n",
			      (int)length, line);
	} else {
		is_answer = !is_progress(value);
	}
	json_decref(value);
	return is_answer;
}

/* What a command that failed did, and its last words. The caller frees. */
static char *fate_of(const struct child_output *output)
{
	bool killed = WIFSIGNALED(output->status);

	return mem_printf("the command %s %d%s%s%s",
			  killed ? "was ended by signal" : "ended with status",
			  killed ? WTERMSIG(output->status) : WEXITSTATUS(output->status),
			  output->status == 0 ? " before it answered" : "",
			  output->last[0] != '\0' ? ": " : "", output->last);
}

bool answer_is_hopeless(const struct child_output *output)
{
	return WIFEXITED(output->status) && (WEXITSTATUS(output->status) == CANNOT_RUN ||
					     WEXITSTATUS(output->status) == NOT_FOUND);
}

static char *return_body(const char *reason, char *detail)
{
	char *line = buf_line(detail, strlen(detail), LIMIT_ERROR_TEXT_BYTES), *text;
	json_t *body = json_pack("{s:s, s:s}", "reason", reason, "detail", line);

	text = json_text(body);
	json_decref(body);
	free(line);
	free(detail);
	return text;
}

char *answer_cannot(char *detail)
{
	return return_body("cannot", detail);
}

char *answer_return(const struct child_output *output)
{
	if (output->stopped) {
		return return_body("stopping", mem_dup("the worker was stopped"));
	}
	return answer_is_hopeless(output) ? answer_cannot(fate_of(output)) : NULL;
}

char *answer_of(const struct child_output *output)
{
	json_t *value;
	struct err err;
	char *answer;

	err_init(&err);
	value = last_object(output->text, &err);
	if (output->status != 0 || output->silent) {
		answer = answer_failure(fate_of(output), true);
	} else if (value == NULL) {
		answer = mem_dup_n(output->text, strnlen(output->text, NO_ANSWER_BYTES));
	} else {
		answer = json_text(value);
	}
	json_decref(value);
	return answer;
}

char *answer_fault(const struct client_reply *reply)
{
	json_t *problem = json_parse(reply->body, reply->length, &limits, NULL);
	const json_t *fault = json_array_get(json_object_get(problem, "errors"), 0);
	const char *pointer = json_string_value(json_object_get(fault, "pointer"));
	const char *detail =
		json_string_value(json_object_get(fault != NULL ? fault : problem, "detail"));
	char *text;

	if (detail == NULL) {
		text = mem_dup("it gave no reason");
	} else if (pointer == NULL || pointer[0] == '\0') {
		text = mem_dup(detail);
	} else {
		text = mem_printf("%s%s %s", pointer + 1, strncmp(detail, "is ", 3) == 0 ? "" : ":",
				  detail);
	}
	json_decref(problem);
	return text;
}
