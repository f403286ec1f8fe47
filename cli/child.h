/*
 * A command that answers a question: it is given its input, its output is gathered, and it does not
 * outlive whoever started it.
 */
#ifndef NARROWD_CLI_CHILD_H
#define NARROWD_CLI_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct child_output {
	char *text; /* NUL-terminated; owned */
	char *last; /* what it said last on its standard error, one line, "" for nothing; owned */
	size_t length;
	int status;   /* as of waitpid() */
	bool stopped; /* because `tick` said so */
};

struct child_plan {
	char *const *argv; /* NULL-terminated; looked up in PATH */
	const char *input; /* for its standard input */
	size_t input_length, max_output;
	uint64_t tick_ms;
	/* Called every tick_ms, and soon after a signal, with what it has written so far; false stops
	 * the command. */
	bool (*tick)(void *arg, const char *output);
	void *arg;
};

/*
 * Runs the command to its end. What it writes to its standard error comes out at ours. A command that is stopped, or writes too much, gets SIGTERM and, when
 * it does not end soon, SIGKILL, with all that it started in its process group. ERR_EVALUATOR when it cannot
 * be started or wrote too much; child_output_finish() in any case.
 */
int child_run(const struct child_plan *plan, struct child_output *ret, struct err *reterr);
/* Whether there is such a program, by its path or in PATH; errno says why not. */
bool child_is_there(const char *program);
void child_output_finish(struct child_output *output);

#endif
