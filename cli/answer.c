#include "cli/answer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/mem.h"

/* What a command wrote, made into what the daemon is sent. */

/* As shells say it, and child.c. */
enum { CANNOT_RUN = 126, NOT_FOUND = 127 };

static const struct json_limits limits = {
	.max_bytes = LIMIT_REPLY_BYTES,
	.max_depth = LIMIT_JSON_DEPTH,
	.max_values = LIMIT_JSON_VALUES,
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

char *answer_progress(const char *output)
{
	const char *end = strrchr(output, '\n');
	char *text = NULL;

	while (end != NULL && text == NULL) {
		const char *start = memrchr(output, '\n', (size_t)(end - output));
		const char *line = start != NULL ? start + 1 : output;
		json_t *value = json_loadb(line, (size_t)(end - line), 0, NULL);

		if (json_object_size(value) == 1 && json_object_get(value, "progress") != NULL) {
			text = json_text(value);
		}
		json_decref(value);
		end = start;
	}
	return text != NULL ? text : mem_dup("{}");
}

/* What is left of the output without those lines. The caller frees. */
static char *without_progress(const char *output)
{
	char *rest = mem_new(strlen(output) + 1, 1), *to = rest;

	while (*output != '\0') {
		size_t length = strcspn(output, "\n");
		json_t *value = json_loadb(output, length, 0, NULL);

		if (json_object_size(value) != 1 || json_object_get(value, "progress") == NULL) {
			memcpy(to, output, length);
			to += length;
			*to++ = '\n';
		}
		json_decref(value);
		output += length + (output[length] == '\n');
	}
	*to = '\0';
	return rest;
}

/* What a command that failed did, and its last words. The caller frees. */
static char *fate_of(const struct child_output *output)
{
	bool killed = WIFSIGNALED(output->status);

	return mem_printf("the command %s %d%s%s",
			  killed ? "was ended by signal" : "ended with status",
			  killed ? WTERMSIG(output->status) : WEXITSTATUS(output->status),
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
	char *rest, *answer;
	json_t *value;
	struct err err;

	if (output->status != 0) {
		return answer_failure(fate_of(output), true);
	}
	rest = without_progress(output->text);
	err_init(&err);
	value = json_parse(rest, strlen(rest), &limits, &err);
	answer =
		value != NULL
			? json_text(value)
			: answer_failure(
				  mem_printf("the command's output is no answer: %.160s; standard "
					     "output is for the answer alone: print logs to stderr",
					     err.message),
				  false);
	json_decref(value);
	free(rest);
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
