/*
 * The one table of commands and the one of options: usage texts, parsing, dispatch and completion are made of them.
 */
#ifndef NARROWD_CLI_COMMANDS_H
#define NARROWD_CLI_COMMANDS_H

#include "cli/cli.h"

/* What stands for a job, and for several, in the argument of a command. */
#define COMMAND_JOB  "ID"
#define COMMAND_JOBS "ID..."

struct command {
	const char *name;     /* one word, or two: "evaluators add" */
	const char *argument; /* what must follow, words with blanks between them, or NULL */
	uint64_t options;     /* bits of those that belong to it alone */
	const char *help;
	const char *example; /* what stands behind "narrow " in one */
	enum cli_exit (*run)(struct cli *cli);
};

struct option {
	const char *name;
	const char *value; /* what must follow, or NULL for a flag */
	const char *help;
	char letter; /* of its short form, or 0 */
};

#define COMMAND_BIT(option) ((uint64_t)1 << (option))

extern const struct command command_table[];
extern const size_t command_count;
extern const struct option command_options[OPTION_COUNT];
/* The bits of those that belong to every command. */
extern const uint64_t command_global;

/* The command of this name, of `length` bytes; NULL when there is none. */
const struct command *command_find(const char *name, size_t length);
/* Whether it takes the words after "--" as a command of its own. */
bool command_runs_another(const struct command *command);
/* How many words its argument has; SIZE_MAX when there may be any number. */
size_t command_words(const struct command *command);

#endif
