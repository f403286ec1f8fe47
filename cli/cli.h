/*
 * What the commands share: the invocation, asking the server, and saying why something failed.
 */
#ifndef NARROWD_CLI_CLI_H
#define NARROWD_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/client.h"

/* How long the daemon may be away, for a start or a restart. */
enum { CLI_PATIENCE_MS = 15 * 1000 };

/* Exit codes; promises. */
enum cli_exit {
	CLI_OK = 0,
	CLI_NOT_MET = 1,     /* the job ended without meeting its criterion */
	CLI_USAGE = 2,       /* wrong usage, or a local file that cannot be read or written */
	CLI_REFUSED = 3,     /* the daemon said no */
	CLI_UNREACHABLE = 4, /* nobody answered, or not narrowd */
	CLI_KEEP = 5,        /* the job completed and says that the baseline is to be kept */
};

enum cli_option {
	OPTION_SERVER,
	OPTION_TOKEN,
	OPTION_TOKEN_FILE,
	OPTION_CA,
	OPTION_JSON,
	OPTION_JSONL, /* with it OPTION_JSON is given too */
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_OUTPUT,
	OPTION_SET,
	OPTION_WATCH,
	OPTION_OK_KEEP,
	OPTION_WARM_START,
	OPTION_STATE,
	OPTION_FORMAT,
	OPTION_POOL,
	OPTION_NAME,
	OPTION_TTL,
	OPTION_IDLE_EXIT,
	OPTION_PERSISTENT,
	OPTION_TRIAL,
	OPTION_REASON,
	OPTION_DRY_RUN,
	OPTION_TOLERABLE_LOSS,
	OPTION_FRONT,
	OPTION_LABEL,
	OPTION_LIMIT,
	OPTION_ORDER,
	OPTION_STAGE,
	OPTION_KIND,
	OPTION_FEASIBLE,
	OPTION_FOLLOW,
	OPTION_TYPE,
	OPTION_FOR,
	OPTION_SCOPE,
	OPTION_OWNER,
	OPTION_ALLOW_CHANGES,
	OPTION_COUNT,
};

/* The daemon when neither --server nor the environment says which. */
#define CLI_SERVER "http://127.0.0.1:8585"

struct cli {
	const char *command;  /* its name */
	const char *argument; /* what follows it, or NULL */
	const char *second;   /* what follows that, or NULL */
	const char **words;   /* all of what follows it */
	size_t word_count;
	char *const *rest;                 /* what follows "--" for a command that runs another */
	const char *options[OPTION_COUNT]; /* the value, "" for a flag, NULL when not given */
	const char **sets;                 /* the values of every --set, in order */
	size_t set_count;
	struct client client;
	int64_t patient_until; /* monotonic: until then a daemon that does not answer may be starting; 0: it is not waited for */
	bool told_patient;
};

/*
 * Asks and waits. CLI_OK for a 2xx answer, which the caller owns; otherwise why not has been said on
 * standard error and there is nothing to own. See client_call() for the arguments.
 */
enum cli_exit cli_call(struct cli *cli, const char *method, const char *path, const char *body,
		       struct client_reply *ret_reply);
/* GETs a JSON document, whatever --json says: a new reference, NULL unless CLI_OK. */
enum cli_exit cli_get(struct cli *cli, const char *path, json_t **ret_answer);
/* The same for a part of the job that the command names, of `rest` below its path. */
enum cli_exit cli_get_job(struct cli *cli, const char *rest, json_t **ret_answer);
/* GETs what is told beside an answer that is whole without it: a new reference; NULL where there is none, which nobody is
 * told of. */
json_t *cli_beside(struct cli *cli, const char *path);
/* Asks, and takes a JSON answer, a new reference; NULL with CLI_OK means that --json was given and the
 * answer has been printed as it came. */
enum cli_exit cli_ask(struct cli *cli, const char *method, const char *path, const char *body,
		      json_t **ret_answer);
/* Asks, and prints the answer as it came. */
enum cli_exit cli_pass_on(struct cli *cli, const char *method, const char *path);
/* Asks for `path` page by page and calls `add` for every item of a collection. */
enum cli_exit cli_each(struct cli *cli, const char *path,
		       void (*add)(void *arg, const json_t *item), void *arg);
/* The same for what is told beside; whether there were all of them. */
bool cli_each_beside(struct cli *cli, const char *path, void (*add)(void *arg, const json_t *item),
		     void *arg);
/* cli_each() for people; with --json prints them all as one page, as it came where it was one, and with --jsonl each item
 * as a line. Filters that were given are added to the path; `paged`: --limit, too. */
enum cli_exit cli_pages(struct cli *cli, const char *path, bool paged,
			void (*add)(void *arg, const json_t *item), void *arg);

/* Says why on standard error: an answer that is not 2xx, CLI_UNREACHABLE when it is not narrowd's; somebody
 * unreachable. */
enum cli_exit cli_refused(const struct client_reply *reply);
/* Whether to ask again where nobody was reached, as just before a daemon is ready; says so once and pauses. Not where waiting
 * cannot help, which the message of `err` says then; NULL: who is there is too busy. */
bool cli_is_patient(struct cli *cli, struct err *err);
enum cli_exit cli_unreachable(const struct cli *cli, const struct err *err);
/* The answer's JSON object, a new reference. */
enum cli_exit cli_parse(const struct client_reply *reply, json_t **ret_answer);
/* A value as one line of JSON, on standard output. */
void cli_print_json(const json_t *value);
/* The answer as it came, on standard output. */
void cli_print(const struct client_reply *reply);

/* Makes a file, which must not be there yet. */
enum cli_exit cli_make_file(const char *name, const char *text);

/* "/v1/jobs/ID" and `rest`, for the job that the command names; the caller frees. */
char *cli_job_path(const struct cli *cli, const char *rest);

#endif
