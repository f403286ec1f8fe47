/*
 * narrow: the command line of narrowd. Reads the invocation by the tables of commands.h and runs its command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "cli/access.h"
#include "cli/commands.h"
#include "cli/find.h"
#include "cli/usage.h"

/* The option that the word of so many bytes names, "--help" or "-h"; OPTION_COUNT when none. */
static unsigned find_option(const char *word, size_t length)
{
	unsigned i = 0;

	for (; i < OPTION_COUNT; i++) {
		bool named = word[1] == '-' && strlen(command_options[i].name) == length - 2 &&
			     strncmp(command_options[i].name, word + 2, length - 2) == 0;

		if (named || (length == 2 && word[1] == command_options[i].letter)) {
			break;
		}
	}
	return i;
}

/* Takes an option at argv[0], perhaps with its value at argv[1]. *ret_used is how many it took. */
static enum cli_exit take_option(struct cli *cli, char **argv, uint64_t *given, int *ret_used)
{
	const char *equals = strchr(argv[0], '=');
	unsigned i =
		find_option(argv[0], equals != NULL ? (size_t)(equals - argv[0]) : strlen(argv[0]));

	if (i == OPTION_COUNT || (equals != NULL && command_options[i].value == NULL)) {
		return usage_unknown_option(argv[0]);
	}
	*ret_used = 1;
	cli->options[i] = "";
	if (command_options[i].value != NULL) {
		*ret_used = equals != NULL ? 1 : 2;
		cli->options[i] = equals != NULL ? equals + 1 : argv[1];
	}
	if (cli->options[i] == NULL) {
		return usage_wrong("a value is missing after ", argv[0]);
	}
	if (i == OPTION_SET) {
		cli->sets[cli->set_count++] = cli->options[i];
	}
	if (i == OPTION_JSONL) {
		cli->options[OPTION_JSON] = "";
	}
	*given |= COMMAND_BIT(i);
	return CLI_OK;
}

/* The command of two words that this one makes of the one before it; NULL when there is none. */
static const struct command *find_pair(const struct command *command, const char *word)
{
	char *name = mem_printf("%s %s", command->name, word);
	const struct command *pair = command_find(name, strlen(name));

	free(name);
	return pair;
}

static enum cli_exit take_word(struct cli *cli, const struct command **command, const char *word)
{
	const struct command *pair;

	if (*command == NULL && strcmp(word, "help") == 0) {
		cli->options[OPTION_HELP] = "";
		return CLI_OK;
	}
	if (*command == NULL) {
		*command = command_find(word, strlen(word));
		cli->command = word;
		return *command != NULL ? CLI_OK : usage_unknown_command(word);
	}
	pair = cli->word_count == 0 ? find_pair(*command, word) : NULL;
	if (pair != NULL) {
		*command = pair;
		cli->command = pair->name;
		return CLI_OK;
	}
	if (cli->word_count >= command_words(*command)) {
		return usage_wrong("one argument too many: ", word);
	}
	cli->words[cli->word_count++] = word;
	return CLI_OK;
}

/* Takes what is at argv[0]; *only_words: "--" came before. */
static enum cli_exit take_next(struct cli *cli, char **argv, const struct command **command,
			       bool *only_words, uint64_t *given, int *ret_used)
{
	const char *word = argv[0];

	*ret_used = 1;
	if (*only_words || word[0] != '-' || word[1] == '\0') {
		return take_word(cli, command, word);
	}
	if (strcmp(word, "--") == 0) {
		*only_words = true;
		return CLI_OK;
	}
	return take_option(cli, argv, given, ret_used);
}

static enum cli_exit parse(struct cli *cli, char **argv, const struct command **ret_command)
{
	bool only_words = false;
	uint64_t given = 0;
	int used;

	for (; *argv != NULL; argv += used) {
		enum cli_exit code = take_next(cli, argv, ret_command, &only_words, &given, &used);

		if (code != CLI_OK) {
			return code;
		}
		if (only_words && *ret_command != NULL && command_runs_another(*ret_command)) {
			cli->rest = argv[1] != NULL ? argv + 1 : NULL;
			break;
		}
	}
	if (*ret_command != NULL && (given & ~((*ret_command)->options | command_global)) != 0) {
		return usage_wrong("an option does not belong to the command ", cli->command);
	}
	return CLI_OK;
}

static const char *server_of(const struct cli *cli)
{
	const char *server = cli->options[OPTION_SERVER];

	if (server == NULL) {
		server = getenv("NARROWD_URL");
	}
	return server != NULL && server[0] != '\0' ? server : CLI_SERVER;
}

/* Whether the command's first argument names a job. */
static bool is_about_job(const struct command *command)
{
	const char *rest;

	if (command->argument == NULL ||
	    strncmp(command->argument, COMMAND_JOB, strlen(COMMAND_JOB)) != 0) {
		return false;
	}
	rest = command->argument + strlen(COMMAND_JOB);
	return *rest == '\0' || *rest == ' ' || *rest == '.';
}

/* Who waits for a job waits for a daemon that is being started, too. */
static bool is_patient(const struct command *command)
{
	return strcmp(command->name, "watch") == 0 || strcmp(command->name, "wait") == 0;
}

/* For one of several arguments; with the id in place of whatever names a job. */
static enum cli_exit run_for(struct cli *cli, const struct command *command, const char *word)
{
	char *id = NULL;
	enum cli_exit code = CLI_OK;

	cli->argument = word;
	if (is_about_job(command)) {
		code = find_job(cli, word, &id);
		cli->argument = id;
	}
	if (code == CLI_OK) {
		code = command->run(cli);
	}
	free(id);
	return code;
}

/* For each of its arguments where it takes several; the first that fails says how it ends. */
static enum cli_exit run_command(struct cli *cli, const struct command *command)
{
	enum cli_exit code, first;

	if (command_words(command) != SIZE_MAX) {
		cli->second = cli->word_count > 1 ? cli->words[1] : NULL;
		return run_for(cli, command, cli->words[0]);
	}
	first = CLI_OK;
	for (size_t i = 0; i < cli->word_count; i++) {
		code = run_for(cli, command, cli->words[i]);
		first = first == CLI_OK ? code : first;
	}
	return first;
}

/* Whether an argument is missing, or empty. */
static bool lacks_words(const struct cli *cli, const struct command *command)
{
	size_t wanted = command_words(command) == SIZE_MAX ? 1 : command_words(command);

	for (size_t i = 0; i < cli->word_count; i++) {
		if (cli->words[i][0] == '\0') {
			return true;
		}
	}
	return cli->word_count < wanted;
}

/* Of "ID OPERATOR" what was not given: "OPERATOR"; all of it where a word is empty. */
static const char *first_missing(const struct cli *cli, const struct command *command)
{
	const char *rest = command->argument;

	for (size_t i = 0; i < cli->word_count && cli->words[i][0] != '\0'; i++) {
		const char *blank = strchr(rest, ' ');

		if (blank == NULL) {
			return command->argument;
		}
		rest = blank + 1;
	}
	return rest;
}

static enum cli_exit run(struct cli *cli, const struct command *command)
{
	struct access access;
	enum cli_exit code;
	struct err err;

	if (command == NULL) {
		return usage_wrong("a command is missing", "");
	}
	if (lacks_words(cli, command)) {
		return usage_wrong("missing: ", first_missing(cli, command));
	}
	err_init(&err);
	if (access_read(cli, &access, &err) != 0 ||
	    client_init(&cli->client, server_of(cli), access.token, &err) != 0) {
		code = usage_wrong(err.message, "");
	} else {
		cli->client.ca = access.ca;
		cli->patient_until = is_patient(command) ? clock_mono_ms() + CLI_PATIENCE_MS : 0;
		json_setup();
		code = run_command(cli, command);
	}
	client_finish(&cli->client);
	access_finish(&access);
	return code;
}

int main(int argc, char **argv)
{
	struct cli cli = {0};
	const struct command *command = NULL;
	enum cli_exit code;

	cli.sets = mem_new((size_t)argc + 1, sizeof(*cli.sets));
	cli.words = mem_new((size_t)argc + 1, sizeof(*cli.words));
	code = parse(&cli, argv + (argc > 0), &command);
	if (code != CLI_OK) {
		free(cli.sets);
		free(cli.words);
		return code;
	}
	if (cli.options[OPTION_HELP] != NULL) {
		usage_print(command);
	} else if (cli.options[OPTION_VERSION] != NULL) {
		printf("narrow %s\n", NARROW_VERSION);
	} else {
		code = run(&cli, command);
	}
	free(cli.sets);
	free(cli.words);
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		perror("narrow: standard output");
		code = CLI_USAGE;
	}
	return code;
}
