/* Prints scripts that complete narrow's words in bash, zsh and fish. */
#include "cli/completion.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"

/* The words of a command's options, with dashes. */
static void print_options(uint64_t which)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		if ((which & COMMAND_BIT(i)) != 0) {
			printf(" --%s", command_options[i].name);
		}
	}
}

/* Whether it is a command of one word. */
static bool is_single(const struct command *command)
{
	return strchr(command->name, ' ') == NULL;
}

static void print_commands(void)
{
	for (size_t i = 0; i < command_count; i++) {
		if (is_single(&command_table[i])) {
			printf(" %s", command_table[i].name);
		}
	}
	printf(" help");
}

/* The second words of commands that begin with this one, and what they take together. */
static uint64_t print_seconds(const struct command *first)
{
	size_t length = strlen(first->name);
	uint64_t all = first->options;

	for (size_t i = 0; i < command_count; i++) {
		const char *name = command_table[i].name;

		if (strncmp(name, first->name, length) == 0 && name[length] == ' ') {
			printf(" %s", name + length + 1);
			all |= command_table[i].options;
		}
	}
	return all;
}

/* What may follow a command: its options, the second words that it has, and "last" for a job. */
static void print_followers(const struct command *command)
{
	const char *argument = command->argument;

	print_options(print_seconds(command) | command_global);
	if (argument != NULL && strncmp(argument, COMMAND_JOB, strlen(COMMAND_JOB)) == 0) {
		printf(" last $(narrow jobs --limit 20 2>/dev/null | sed -n 's/^\\(job_[^ "
		       "]*\\).*/\\1/p')");
	} else if (strcmp(command->name, "completion") == 0) {
		printf(" bash zsh fish");
	}
}

/* zsh understands what bash does once it is told to. */
static void print_bash(void)
{
	printf("_narrow() {\n"
	       "\tlocal word command= words=\n"
	       "\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	       "\t\tcase $word in -*) ;; *) command=$word; break ;; esac\n"
	       "\tdone\n"
	       "\tcase $command in\n"
	       "\t'') words=\"");
	print_commands();
	print_options(command_global);
	printf("\" ;;\n\thelp) words=\"");
	print_commands();
	printf("\" ;;\n");
	for (size_t i = 0; i < command_count; i++) {
		if (is_single(&command_table[i])) {
			printf("\t%s) words=\"", command_table[i].name);
			print_followers(&command_table[i]);
			printf("\" ;;\n");
		}
	}
	printf("\tesac\n"
	       "\tCOMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
	       "}\n"
	       "complete -o default -F _narrow narrow\n");
}

static void print_zsh(void)
{
	printf("#compdef narrow\n"
	       "autoload -U +X bashcompinit && bashcompinit\n");
	print_bash();
}

/* A text in single quotes. */
static void print_quoted(const char *text)
{
	(void)putchar('\'');
	for (; *text != '\0'; text++) {
		printf("%s%c", *text == '\'' ? "\\" : "", *text);
	}
	(void)putchar('\'');
}

static void print_fish_options(const struct command *command)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		uint64_t which = command != NULL ? command->options : command_global;

		if ((which & COMMAND_BIT(i)) == 0) {
			continue;
		}
		printf("complete -c narrow");
		if (command != NULL) {
			printf(" -n '__fish_seen_subcommand_from %.*s'",
			       (int)strcspn(command->name, " "), command->name);
		}
		printf(" -l %s%s -d ", command_options[i].name,
		       command_options[i].value != NULL ? " -r" : "");
		print_quoted(command_options[i].help);
		(void)putchar('\n');
	}
}

static void print_fish(void)
{
	print_fish_options(NULL);
	for (size_t i = 0; i < command_count; i++) {
		const struct command *command = &command_table[i];
		size_t first = strcspn(command->name, " ");

		printf("complete -c narrow -n '");
		if (is_single(command)) {
			printf("__fish_use_subcommand' -a %s -d ", command->name);
		} else {
			printf("__fish_seen_subcommand_from %.*s' -a %s -d ", (int)first,
			       command->name, command->name + first + 1);
		}
		print_quoted(command->help);
		(void)putchar('\n');
		print_fish_options(command);
	}
}

enum cli_exit completion_run(struct cli *cli)
{
	static const struct {
		const char *name;
		void (*print)(void);
	} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

	for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(cli->argument, shells[i].name) == 0) {
			shells[i].print();
			return CLI_OK;
		}
	}
	(void)fprintf(stderr, "narrow: completion is there for bash, zsh and fish\n");
	return CLI_USAGE;
}
