/*
 * narrow: the command line of narrowd. One table of commands and one of options make the usage
 * texts, the parsing and the dispatch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/spell.h"
#include "cli/access.h"
#include "cli/best.h"
#include "cli/cli.h"
#include "cli/find.h"
#include "cli/init.h"
#include "cli/jobs.h"
#include "cli/lists.h"
#include "cli/probe.h"
#include "cli/space.h"
#include "cli/watch.h"
#include "cli/worker.h"

/* The argument of commands about a job. */
#define JOB "ID"

#define DEFAULT_SERVER "http://127.0.0.1:8585"

enum { HELP_COLUMN = 26 };

struct command {
	const char *name;
	const char *argument; /* what must follow, or NULL */
	unsigned options;     /* bits of those that belong to it alone */
	const char *help;
	enum cli_exit (*run)(struct cli *cli);
};

struct option {
	const char *name;
	const char *value; /* what must follow, or NULL for a flag */
	const char *help;
	char letter; /* of its short form, or 0 */
};

#define BIT(option) (1u << (option))

static const struct command commands[] = {
	{"init", "URL|ID", BIT(OPTION_OUTPUT), "write a job for an evaluator, with comments",
	 init_run},
	{"submit", "FILE|-",
	 BIT(OPTION_SET) | BIT(OPTION_DRY_RUN) | BIT(OPTION_WATCH) | BIT(OPTION_OK_KEEP),
	 "submit a job, print its id", jobs_submit},
	{"jobs", NULL, BIT(OPTION_STATE), "list jobs, the newest first", jobs_list},
	{"show", JOB, 0, "show a job", jobs_show},
	{"watch", JOB, BIT(OPTION_OK_KEEP), "follow a job until it ends", watch_job},
	{"wait", JOB, BIT(OPTION_OK_KEEP), "wait until a job ends, print what came of it",
	 watch_wait},
	{"trials", JOB, 0, "list the trials of a job", lists_trials},
	{"best", JOB, BIT(OPTION_OK_KEEP) | BIT(OPTION_TOLERABLE_LOSS),
	 "show the best configuration and what it gains", best_show},
	{"sensitivity", JOB, 0, "show what is known of each operator", lists_sensitivity},
	{"space", JOB, 0, "show what a job may try, and what was dropped of it", space_show},
	{"clone", JOB,
	 BIT(OPTION_SET) | BIT(OPTION_WARM_START) | BIT(OPTION_WATCH) | BIT(OPTION_OK_KEEP),
	 "submit a job again, print the new one's id", jobs_clone},
	{"pause", JOB, 0, "ask no more questions until it is resumed", jobs_control},
	{"resume", JOB, 0, "go on with a paused job", jobs_control},
	{"cancel", JOB, 0, "end a job now", jobs_control},
	{"exclude", JOB, BIT(OPTION_TRIAL) | BIT(OPTION_REASON),
	 "take out what a trial measured wrongly", jobs_exclude},
	{"include", JOB, BIT(OPTION_TRIAL), "take it in again", jobs_exclude},
	{"delete", JOB, 0, "delete a job that has ended", jobs_delete},
	{"export", JOB, BIT(OPTION_FORMAT), "print a whole job", jobs_export},
	{"strategies", NULL, 0, "list the strategies", lists_strategies},
	{"probe", "URL|ID", 0, "ask an evaluator what it can do", probe_run},
	{"evaluators", NULL, 0, "list the registered evaluators", lists_evaluators},
	{"workers", NULL, 0, "list the workers that came lately", lists_workers},
	{"worker", "-- COMMAND",
	 BIT(OPTION_POOL) | BIT(OPTION_NAME) | BIT(OPTION_TTL) | BIT(OPTION_IDLE_EXIT) |
		 BIT(OPTION_PERSISTENT),
	 "have COMMAND answer the questions of a pool", worker_run},
};

static const struct option options[OPTION_COUNT] = {
	[OPTION_SERVER] = {"server", "URL",
			   "the daemon: HOST:PORT, http(s)://HOST:PORT or unix:PATH"},
	[OPTION_TOKEN] = {"token", "TOKEN", "the token to show; who lists processes sees it"},
	[OPTION_TOKEN_FILE] = {"token-file", "FILE", "a file that has it"},
	[OPTION_CA] = {"ca", "FILE", "who vouches for an https daemon, in PEM"},
	[OPTION_JSON] = {"json", NULL, "print the API's answers as they came"},
	[OPTION_HELP] = {"help", NULL, "print this, or the usage of a command", 'h'},
	[OPTION_VERSION] = {"version", NULL, "print the version"},
	[OPTION_OUTPUT] = {"output", "FILE", "write to this file, which must not exist (also -o)",
			   'o'},
	[OPTION_SET] = {"set", "PATH=VALUE", "set a member of the job; may be repeated"},
	[OPTION_WATCH] = {"watch", NULL, "follow the job until it ends"},
	[OPTION_OK_KEEP] = {"ok-keep", NULL, "end with 0, not 5, when the baseline is to be kept"},
	[OPTION_WARM_START] = {"warm-start", NULL, "carry over what was measured"},
	[OPTION_STATE] = {"state", "STATE", "only jobs in this state"},
	[OPTION_FORMAT] = {"format", "FORMAT",
			   "json (default), csv, or the best config for a tool: inc, onnxruntime"},
	[OPTION_POOL] = {"pool", "POOL", "whose questions to answer"},
	[OPTION_NAME] = {"name", "NAME", "the worker's name (default: HOST.PID)"},
	[OPTION_TTL] = {"ttl", "SECONDS", "when a silent worker counts as dead (default: 60)"},
	[OPTION_IDLE_EXIT] = {"idle-exit", "SECONDS", "end when no question comes for so long"},
	[OPTION_PERSISTENT] = {"persistent", NULL,
			       "one process for all questions, a line for each"},
	[OPTION_TRIAL] = {"trial", "NUMBER", "which one"},
	[OPTION_REASON] = {"reason", "TEXT", "why, for people"},
	[OPTION_DRY_RUN] = {"dry-run", NULL, "show what the job would try; submit nothing"},
	[OPTION_TOLERABLE_LOSS] = {"tolerable-loss", "NUMBER",
				   "the best if so much could be lost, from what was measured"},
};

static const unsigned global_options = BIT(OPTION_SERVER) | BIT(OPTION_TOKEN) |
				       BIT(OPTION_TOKEN_FILE) | BIT(OPTION_CA) | BIT(OPTION_JSON) |
				       BIT(OPTION_HELP) | BIT(OPTION_VERSION);

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(name, commands[i].name) == 0) {
			return &commands[i];
		}
	}
	return NULL;
}

/* Whether it takes the words after "--" as a command of its own. */
static bool runs_another(const struct command *command)
{
	return command->argument != NULL && strncmp(command->argument, "--", 2) == 0;
}

static void print_row(const char *before, const char *name, const char *value, const char *help)
{
	int width = printf("%s%s%s%s", before, name, value != NULL ? " " : "",
			   value != NULL ? value : "");

	printf("%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", help);
}

static void print_options(const char *indent, unsigned which)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		if ((which & BIT(i)) != 0) {
			print_row(indent, options[i].name, options[i].value, options[i].help);
		}
	}
}

static void print_usage(const struct command *command)
{
	if (command != NULL) {
		printf("usage: narrow %s%s%s [OPTION]...\n\n%s\n\n", command->name,
		       command->argument != NULL ? " " : "",
		       command->argument != NULL ? command->argument : "", command->help);
		print_options("  --", command->options | global_options);
		return;
	}
	printf("usage: narrow COMMAND [ARGUMENT] [OPTION]...\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		print_row("  ", commands[i].name, commands[i].argument, commands[i].help);
		print_options("    --", commands[i].options);
	}
	printf("\n");
	print_options("  --", global_options);
	printf("\nnarrow help COMMAND tells more of one. ID is a job's id, the beginning of one, "
	       "its name, or\n"
	       "\"last\" for the newest.\n");
	printf("\nEnvironment: NARROWD_URL is the daemon when --server is not given (else %s),\n"
	       "NARROWD_TOKEN the token, NARROWD_TOKEN_FILE a file that has it, NARROWD_CA that of "
	       "--ca.\n"
	       "Exit status: 0 ok, 1 the job ended without meeting its criterion, 2 wrong usage,\n"
	       "3 the daemon said no, 4 not reachable, 5 the job says to keep the baseline.\n",
	       DEFAULT_SERVER);
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

static enum cli_exit unknown_command(const char *word)
{
	const char *best = NULL;
	size_t least = SPELL_OTHER;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		keep_like(word, commands[i].name, &best, &least);
	}
	return unknown("command", word, best);
}

/* A word that begins with one dash is like no option. */
static enum cli_exit unknown_option(const char *word)
{
	const char *best = NULL;
	size_t least = SPELL_OTHER;
	char *name = mem_dup_n(word, strcspn(word, "=")), *like = NULL;
	enum cli_exit code;

	for (size_t i = 0; i < OPTION_COUNT && word[1] == '-'; i++) {
		keep_like(name, options[i].name, &best, &least);
	}
	like = best != NULL ? mem_printf("--%s", best) : NULL;
	code = unknown("option", word, like);
	free(like);
	free(name);
	return code;
}

static enum cli_exit wrong_usage(const char *what, const char *which)
{
	(void)fprintf(stderr, "narrow: %s%s\nnarrow --help tells more\n", what, which);
	return CLI_USAGE;
}

/* The option that the word of so many bytes names, "--help" or "-h"; OPTION_COUNT when none. */
static unsigned find_option(const char *word, size_t length)
{
	unsigned i = 0;

	for (; i < OPTION_COUNT; i++) {
		bool named = word[1] == '-' && strlen(options[i].name) == length - 2 &&
			     strncmp(options[i].name, word + 2, length - 2) == 0;

		if (named || (length == 2 && word[1] == options[i].letter)) {
			break;
		}
	}
	return i;
}

/* Takes an option at argv[0], perhaps with its value at argv[1]. *ret_used is how many it took. */
static enum cli_exit take_option(struct cli *cli, char **argv, unsigned *given, int *ret_used)
{
	const char *equals = strchr(argv[0], '=');
	unsigned i =
		find_option(argv[0], equals != NULL ? (size_t)(equals - argv[0]) : strlen(argv[0]));

	if (i == OPTION_COUNT || (equals != NULL && options[i].value == NULL)) {
		return unknown_option(argv[0]);
	}
	*ret_used = 1;
	cli->options[i] = "";
	if (options[i].value != NULL) {
		*ret_used = equals != NULL ? 1 : 2;
		cli->options[i] = equals != NULL ? equals + 1 : argv[1];
	}
	if (cli->options[i] == NULL) {
		return wrong_usage("a value is missing after ", argv[0]);
	}
	if (i == OPTION_SET) {
		cli->sets[cli->set_count++] = cli->options[i];
	}
	*given |= BIT(i);
	return CLI_OK;
}

static enum cli_exit take_word(struct cli *cli, const struct command **command, const char *word)
{
	if (*command == NULL && strcmp(word, "help") == 0) {
		cli->options[OPTION_HELP] = "";
		return CLI_OK;
	}
	if (*command == NULL) {
		*command = find_command(word);
		cli->command = word;
		return *command != NULL ? CLI_OK : unknown_command(word);
	}
	if ((*command)->argument == NULL || runs_another(*command) || cli->argument != NULL) {
		return wrong_usage("one argument too many: ", word);
	}
	cli->argument = word;
	return CLI_OK;
}

/* Takes what is at argv[0]; *only_words: "--" came before. */
static enum cli_exit take_next(struct cli *cli, char **argv, const struct command **command,
			       bool *only_words, unsigned *given, int *ret_used)
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
	unsigned given = 0;
	int used;

	for (; *argv != NULL; argv += used) {
		enum cli_exit code = take_next(cli, argv, ret_command, &only_words, &given, &used);

		if (code != CLI_OK) {
			return code;
		}
		if (only_words && *ret_command != NULL && runs_another(*ret_command)) {
			cli->rest = argv[1] != NULL ? argv + 1 : NULL;
			break;
		}
	}
	if (*ret_command != NULL && (given & ~((*ret_command)->options | global_options)) != 0) {
		return wrong_usage("an option does not belong to the command ", cli->command);
	}
	return CLI_OK;
}

static const char *server_of(const struct cli *cli)
{
	const char *server = cli->options[OPTION_SERVER];

	if (server == NULL) {
		server = getenv("NARROWD_URL");
	}
	return server != NULL && server[0] != '\0' ? server : DEFAULT_SERVER;
}

/* With the id in place of whatever names a job. */
static enum cli_exit run_command(struct cli *cli, const struct command *command)
{
	char *id = NULL;
	enum cli_exit code = CLI_OK;

	if (command->argument != NULL && strcmp(command->argument, JOB) == 0) {
		code = find_job(cli, cli->argument, &id);
		cli->argument = id;
	}
	if (code == CLI_OK) {
		code = command->run(cli);
	}
	free(id);
	return code;
}

static enum cli_exit run(struct cli *cli, const struct command *command)
{
	struct access access;
	enum cli_exit code;
	struct err err;

	if (command == NULL) {
		return wrong_usage("a command is missing", "");
	}
	if (command->argument != NULL && !runs_another(command) &&
	    (cli->argument == NULL || cli->argument[0] == '\0')) {
		return wrong_usage("missing: ", command->argument);
	}
	err_init(&err);
	if (access_read(cli, &access, &err) != 0 ||
	    client_init(&cli->client, server_of(cli), access.token, &err) != 0) {
		code = wrong_usage(err.message, "");
	} else {
		cli->client.ca = access.ca;
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
	code = parse(&cli, argv + (argc > 0), &command);
	if (code != CLI_OK) {
		free(cli.sets);
		return code;
	}
	if (cli.options[OPTION_HELP] != NULL) {
		print_usage(command);
	} else if (cli.options[OPTION_VERSION] != NULL) {
		printf("narrow %s\n", NARROW_VERSION);
	} else {
		code = run(&cli, command);
	}
	free(cli.sets);
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		perror("narrow: standard output");
		code = CLI_USAGE;
	}
	return code;
}
