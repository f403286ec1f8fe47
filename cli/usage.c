/* Prints help from the tables, and names what is like a word that is none. */
#include "cli/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/spell.h"

enum { HELP_COLUMN = 26 };

static void print_row(const char *before, const char *name, const char *value, const char *help)
{
	int width = printf("%s%s%s%s", before, name, value != NULL ? " " : "",
			   value != NULL ? value : "");

	printf("%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", help);
}

static void print_options(const char *indent, uint64_t which)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		if ((which & COMMAND_BIT(i)) != 0) {
			print_row(indent, command_options[i].name, command_options[i].value,
				  command_options[i].help);
		}
	}
}

void usage_print(const struct command *command)
{
	if (command != NULL) {
		printf("usage: narrow %s%s%s [OPTION]...\n\n%s\n\n", command->name,
		       command->argument != NULL ? " " : "",
		       command->argument != NULL ? command->argument : "", command->help);
		print_options("  --", command->options | command_global);
		printf("\nexample: narrow %s\n", command->example);
		return;
	}
	printf("usage: narrow COMMAND [ARGUMENT] [OPTION]...\n\n");
	for (size_t i = 0; i < command_count; i++) {
		print_row("  ", command_table[i].name, command_table[i].argument,
			  command_table[i].help);
	}
	printf("\n");
	print_options("  --", command_global);
	printf("\nnarrow help COMMAND has the options of one, and an example. ID is a job's id, "
	       "the beginning of one, "
	       "its name, or\n"
	       "\"last\" for the newest.\n");
	printf("\nEnvironment: NARROWD_URL is the daemon when --server is not given (else %s),\n"
	       "NARROWD_TOKEN the token, NARROWD_TOKEN_FILE a file that has it, NARROWD_CA that of "
	       "--ca.\n"
	       "Exit status: 0 ok, 1 the job ended without meeting its criterion, 2 wrong usage,\n"
	       "3 the daemon said no, 4 not reachable, 5 the job says to keep the baseline.\n",
	       CLI_SERVER);
}

/* Keeps of two names the one that is more like what was typed. */
static void keep_like(const char *typed, const char *name, const char **best, size_t *least)
{
	size_t apart = spell_apart(typed, name);

	if (apart < *least) {
		*least = apart;
		*best = name;
	}
}

static enum cli_exit unknown(const char *what, const char *word, const char *like)
{
	(void)fprintf(stderr, "narrow: unknown %s: %s%s%s%s\nnarrow --help tells more\n", what,
		      word, like != NULL ? ": did you mean " : "", like != NULL ? like : "",
		      like != NULL ? "?" : "");
	return CLI_USAGE;
}

enum cli_exit usage_unknown_command(const char *word)
{
	const char *best = NULL;
	size_t least = SPELL_OTHER;

	for (size_t i = 0; i < command_count; i++) {
		keep_like(word, command_table[i].name, &best, &least);
	}
	return unknown("command", word, best);
}

/* A word that begins with one dash is like no option. */
enum cli_exit usage_unknown_option(const char *word)
{
	const char *best = NULL;
	size_t least = SPELL_OTHER;
	char *name = mem_dup_n(word, strcspn(word, "=")), *like = NULL;
	enum cli_exit code;

	for (size_t i = 0; i < OPTION_COUNT && word[1] == '-'; i++) {
		keep_like(name, command_options[i].name, &best, &least);
	}
	like = best != NULL ? mem_printf("--%s", best) : NULL;
	code = unknown("option", word, like);
	free(like);
	free(name);
	return code;
}

enum cli_exit usage_wrong(const char *what, const char *which)
{
	(void)fprintf(stderr, "narrow: %s%s\nnarrow --help tells more\n", what, which);
	return CLI_USAGE;
}
