/*
 * A command that answers questions, one process for each or one for all: it is given its input, its output is gathered,
 * and it does not outlive whoever started it.
 */
#ifndef NARROWD_CLI_CHILD_H
#define NARROWD_CLI_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A process that waits for its next question. */
struct child;

struct child_output {
	char *text; /* NUL-terminated; the line of the answer alone when `is_answer` found one; owned */
	char *last; /* what it said last on its standard error, one line, "" for nothing; owned */
	size_t length;
	int status;   /* as of waitpid(); 0 while it goes on */
	bool stopped; /* because `tick` said so */
	bool silent;  /* it ended without an answer, though more questions would have come */
};

struct child_plan {
	char *const *argv; /* NULL-terminated; looked up in PATH */
	const char *input; /* for its standard input */
	size_t input_length, max_output;
	uint64_t tick_ms;
	/* Called every tick_ms, and soon after a signal, with what it has written so far; false stops
	 * the command. */
	bool (*tick)(void *arg, const char *output);
	/* For a process that goes on after its answer, called for each line that it writes: whether that is
	 * the answer. NULL: its input ends, and its answer is all that it writes until it ends. */
	bool (*is_answer)(void *arg, const char *line, size_t length);
	void *arg;
};

/*
 * Has the process at *child answer, or a new one when that is NULL. *child is NULL afterwards unless it goes on. One that
 * has ended meanwhile, or answered without being asked, is replaced first: its next line might belong to no question.
 * What it writes to its standard error comes out at ours. A command that is stopped, or writes too much, gets SIGTERM and,
 * when it does not end soon, SIGKILL, with all that it started in its process group. ERR_EVALUATOR when it cannot
 * be started or wrote too much; child_output_finish() in any case.
 */
int child_run(struct child **child, const struct child_plan *plan, struct child_output *ret,
	      struct err *reterr);
/* Stops what child_run() left; NULL is fine. */
void child_end(struct child **child);
/* Whether there is such a program, by its path or in PATH; errno says why not. */
bool child_is_there(const char *program);
void child_output_finish(struct child_output *output);

#endif
