/* The tables of commands and options, and how a command is found in them. */
#include "cli/commands.h"

#include <string.h>

#include "cli/best.h"
#include "cli/completion.h"
#include "cli/doctor.h"
#include "cli/events.h"
#include "cli/init.h"
#include "cli/intake.h"
#include "cli/jobs.h"
#include "cli/lists.h"
#include "cli/mcp.h"
#include "cli/probe.h"
#include "cli/space.h"
#include "cli/support.h"
#include "cli/things.h"
#include "cli/top.h"
#include "cli/trials.h"
#include "cli/watch.h"
#include "cli/why.h"
#include "cli/worker.h"

#define BIT(option) COMMAND_BIT(OPTION_##option)
#define LISTS       (BIT(LIMIT))

const struct command command_table[] = {
	{"init", "URL|ID", BIT(OUTPUT) | BIT(FRONT), "write a job for an evaluator, with comments",
	 "init http://127.0.0.1:9001 -o job.json", init_run},
	{"submit", "FILE|-", BIT(SET) | BIT(DRY_RUN) | BIT(WATCH) | BIT(OK_KEEP),
	 "submit a job, print its id", "submit job.json --set tuning_criterion.max_trials=30",
	 jobs_submit},
	{"jobs", NULL, BIT(STATE) | BIT(NAME) | BIT(LABEL) | LISTS, "list jobs, the newest first",
	 "jobs --state running --label team=edge", jobs_list},
	{"top", NULL, 0, "follow all jobs that are open", "top", top_run},
	{"show", COMMAND_JOB, 0, "show a job", "show last", jobs_show},
	{"watch", COMMAND_JOB, BIT(OK_KEEP), "follow a job until it ends", "watch resnet50",
	 watch_job},
	{"wait", COMMAND_JOBS, BIT(OK_KEEP) | BIT(FOR),
	 "wait until a job ends, print what came of it", "wait last --for gain", watch_wait},
	{"events", COMMAND_JOB, BIT(FOLLOW) | BIT(TYPE) | LISTS, "print the log of a job",
	 "events last -f", events_run},
	{"trials", COMMAND_JOB,
	 BIT(STATE) | BIT(STAGE) | BIT(KIND) | BIT(FEASIBLE) | BIT(ORDER) | LISTS,
	 "list the trials of a job", "trials last --feasible --order latency_ms --limit 5",
	 trials_list},
	{"best", COMMAND_JOB, BIT(OK_KEEP) | BIT(TOLERABLE_LOSS),
	 "show the best configuration and what it gains", "best last --json", best_show},
	{"pareto", COMMAND_JOB, 0, "list the trials that no other beats in everything",
	 "pareto last", trials_front},
	{"sensitivity", COMMAND_JOB, 0, "show what is known of each operator", "sensitivity last",
	 lists_sensitivity},
	{"why", COMMAND_JOB " OPERATOR", 0, "say what is known of the mode of an operator in best",
	 "why last fc", why_run},
	{"space", COMMAND_JOB, 0, "show what a job may try, and what was dropped of it",
	 "space last", space_show},
	{"clone", COMMAND_JOB, BIT(SET) | BIT(WARM_START) | BIT(WATCH) | BIT(OK_KEEP),
	 "submit a job again, print the new one's id",
	 "clone last --warm-start --set tuning_criterion.max_trials=50", jobs_clone},
	{"edit", COMMAND_JOB, BIT(SET),
	 "change name, labels, parallel, max_trials or timeout of a job",
	 "edit last --set max_trials=200 --set labels.team=edge", jobs_edit},
	{"pause", COMMAND_JOBS, 0, "ask no more questions until it is resumed", "pause last",
	 jobs_control},
	{"resume", COMMAND_JOBS, 0, "go on with a paused job", "resume last", jobs_control},
	{"cancel", COMMAND_JOBS, 0, "end a job now", "cancel last", jobs_control},
	{"retry", COMMAND_JOB, BIT(TRIAL), "measure again what failed: one trial, or all",
	 "retry last --trial 17", jobs_retry},
	{"import", COMMAND_JOB " FILE|-", 0, "add measurements that were made elsewhere",
	 "import last measured.json", intake_import},
	{"scores", COMMAND_JOB " FILE|-", 0, "tell it scores that another tool has measured",
	 "scores last scores.json", intake_scores},
	{"exclude", COMMAND_JOB, BIT(TRIAL) | BIT(REASON), "take out what a trial measured wrongly",
	 "exclude last --trial 17 --reason \"the board was hot\"", jobs_exclude},
	{"include", COMMAND_JOB, BIT(TRIAL), "take it in again", "include last --trial 17",
	 jobs_exclude},
	{"delete", COMMAND_JOBS, 0, "delete jobs that have ended", "delete last", jobs_delete},
	{"export", COMMAND_JOB, BIT(FORMAT) | BIT(TRIAL), "print a whole job",
	 "export last --format csv", jobs_export},
	{"strategies", NULL, 0, "list the strategies", "strategies", lists_strategies},
	{"probe", "URL|ID", 0, "ask an evaluator what it can do", "probe http://127.0.0.1:9001",
	 probe_run},
	{"evaluators", NULL, LISTS, "list the registered evaluators", "evaluators",
	 lists_evaluators},
	{"evaluators add", "URL", BIT(NAME) | BIT(SET), "register an evaluator, print its id",
	 "evaluators add http://127.0.0.1:9001 --name board", things_add},
	{"evaluators rm", "EVALUATOR...", 0, "remove it",
	 "evaluators rm evl_01JD9W2B4C6D8E0F1G3H5J7K9M", things_remove},
	{"evaluators probe", "URL|ID", 0, "the same as probe",
	 "evaluators probe evl_01JD9W2B4C6D8E0F1G3H5J7K9M", probe_run},
	{"webhooks", NULL, LISTS, "list who is told of what happens", "webhooks", things_webhooks},
	{"webhooks add", "URL", BIT(NAME) | BIT(TYPE) | BIT(SET),
	 "have a URL told, print its id and its secret",
	 "webhooks add https://example.org/hook --type job.completed", things_add},
	{"webhooks rm", "WEBHOOK...", 0, "tell it no more",
	 "webhooks rm whk_01JD9W2B4C6D8E0F1G3H5J7K9M", things_remove},
	{"webhooks test", "WEBHOOK", 0, "send it a message now",
	 "webhooks test whk_01JD9W2B4C6D8E0F1G3H5J7K9M", things_test},
	{"tokens", NULL, LISTS, "list the tokens", "tokens", things_tokens},
	{"tokens add", NULL, BIT(NAME) | BIT(SCOPE) | BIT(OWNER) | BIT(POOL) | BIT(SET),
	 "make a token, print it once", "tokens add --scope submit --owner ana", things_add},
	{"tokens rm", "TOKEN...", 0, "revoke it", "tokens rm tok_01JD9W2B4C6D8E0F1G3H5J7K9M",
	 things_remove},
	{"workers", NULL, 0, "list the workers that came lately", "workers", lists_workers},
	{"worker", "-- COMMAND",
	 BIT(POOL) | BIT(NAME) | BIT(TTL) | BIT(IDLE_EXIT) | BIT(PERSISTENT),
	 "have COMMAND answer the questions of a pool", "worker --pool gpu -- ./measure",
	 worker_run},
	{"doctor", NULL, 0, "say what is wrong with the daemon, and the cure", "doctor",
	 doctor_run},
	{"support-bundle", NULL, BIT(OUTPUT),
	 "gather what helpers need to know of the daemon, without secrets",
	 "support-bundle -o narrowd-support.json", support_bundle},
	{"mcp", NULL, BIT(ALLOW_CHANGES), "serve a tuning session to an agent, on stdio",
	 "mcp --allow-changes", mcp_run},
	{"completion", "bash|zsh|fish", 0, "print what completes these words in a shell",
	 "completion bash", completion_run},
};

const size_t command_count = sizeof(command_table) / sizeof(command_table[0]);

const struct option command_options[OPTION_COUNT] = {
	[OPTION_SERVER] = {"server", "URL",
			   "the daemon: HOST:PORT, http(s)://HOST:PORT or unix:PATH"},
	[OPTION_TOKEN] = {"token", "TOKEN", "the token to show; who lists processes sees it"},
	[OPTION_TOKEN_FILE] = {"token-file", "FILE", "a file that has it"},
	[OPTION_CA] = {"ca", "FILE", "who vouches for an https daemon, in PEM"},
	[OPTION_JSON] = {"json", NULL, "print the API's answers as they came"},
	[OPTION_JSONL] = {"jsonl", NULL, "print a list as lines of JSON, one for each item"},
	[OPTION_HELP] = {"help", NULL, "print this, or the usage of a command", 'h'},
	[OPTION_VERSION] = {"version", NULL, "print the version"},
	[OPTION_OUTPUT] = {"output", "FILE", "write to this file, which must not exist (also -o)",
			   'o'},
	[OPTION_SET] = {"set", "PATH=VALUE", "set a member of what is sent; may be repeated"},
	[OPTION_WATCH] = {"watch", NULL, "follow the job until it ends"},
	[OPTION_OK_KEEP] = {"ok-keep", NULL, "end with 0, not 5, when the baseline is to be kept"},
	[OPTION_WARM_START] = {"warm-start", NULL, "carry over what was measured"},
	[OPTION_STATE] = {"state", "STATE", "only those in this state"},
	[OPTION_FORMAT] = {"format", "FORMAT",
			   "json (default), csv, or a tool's name, such as onnxruntime: see "
			   "docs/exports.md"},
	[OPTION_POOL] = {"pool", "POOL", "the pool of questions"},
	[OPTION_NAME] = {"name", "NAME", "the name of it (of a worker: HOST.PID)"},
	[OPTION_TTL] = {"ttl", "SECONDS", "when a silent worker counts as dead (default: 60)"},
	[OPTION_IDLE_EXIT] = {"idle-exit", "SECONDS", "end when no question comes for so long"},
	[OPTION_PERSISTENT] = {"persistent", NULL,
			       "one process for all questions, a line for each"},
	[OPTION_TRIAL] = {"trial", "NUMBER", "which one"},
	[OPTION_REASON] = {"reason", "TEXT", "why, for people"},
	[OPTION_DRY_RUN] = {"dry-run", NULL, "show what the job would try; submit nothing"},
	[OPTION_TOLERABLE_LOSS] = {"tolerable-loss", "NUMBER",
				   "the best if so much could be lost, from what was measured"},
	[OPTION_FRONT] = {"front", NULL,
			  "leave open how much may be lost: search the best at every loss"},
	[OPTION_LABEL] = {"label", "KEY=VALUE", "only jobs that have this label"},
	[OPTION_LIMIT] = {"limit", "NUMBER", "at most so many (also -n)", 'n'},
	[OPTION_ORDER] = {"order", "KEY",
			  "number, accuracy or latency_ms; with - before it, reversed"},
	[OPTION_STAGE] = {"stage", "STAGE", "only those of this stage"},
	[OPTION_KIND] = {"kind", "KIND", "only baseline, evaluate, score or confirm"},
	[OPTION_FEASIBLE] = {"feasible", NULL, "only those that meet the criterion"},
	[OPTION_FOLLOW] = {"follow", NULL, "go on until the job ends (also -f)", 'f'},
	[OPTION_TYPE] = {"type", "TYPE", "only events of this type"},
	[OPTION_FOR] = {"for", "WHAT", "baseline, feasible, gain, end (default) or trials=N"},
	[OPTION_SCOPE] = {"scope", "SCOPE", "read, submit, work, metrics or admin"},
	[OPTION_ALLOW_CHANGES] = {"allow-changes", NULL,
				  "let it submit and cancel jobs and write files"},
	[OPTION_OWNER] = {"owner", "OWNER", "whose things it makes"},
};

const uint64_t command_global = BIT(SERVER) | BIT(TOKEN) | BIT(TOKEN_FILE) | BIT(CA) | BIT(JSON) |
				BIT(JSONL) | BIT(HELP) | BIT(VERSION);

const struct command *command_find(const char *name, size_t length)
{
	for (size_t i = 0; i < command_count; i++) {
		const char *its = command_table[i].name;

		if (strlen(its) == length && strncmp(name, its, length) == 0) {
			return &command_table[i];
		}
	}
	return NULL;
}

bool command_runs_another(const struct command *command)
{
	return command->argument != NULL && strncmp(command->argument, "--", 2) == 0;
}

size_t command_words(const struct command *command)
{
	size_t words = command->argument != NULL;

	if (command->argument == NULL || command_runs_another(command)) {
		return 0;
	}
	for (const char *at = command->argument; *at != '\0'; at++) {
		words += *at == ' ';
	}
	return strstr(command->argument, "...") != NULL ? SIZE_MAX : words;
}
