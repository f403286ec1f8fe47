/* Carries out the commands about whole jobs. */
#include "cli/jobs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "cli/body.h"
#include "cli/job.h"
#include "cli/line.h"
#include "cli/lists.h"
#include "cli/out.h"
#include "cli/space.h"
#include "cli/stages.h"
#include "cli/table.h"
#include "cli/text.h"
#include "cli/watch.h"

/* Nothing will come of it until somebody starts one, and of a clone nobody may expect that. */
static void warn_of_workers(const json_t *job)
{
	char *text = out_lacks_workers(job) ? out_waiting(job) : NULL;

	if (text != NULL) {
		(void)fprintf(stderr, "narrow: it waits: %s\n", text);
	}
	free(text);
}

static enum cli_exit submitted(struct cli *cli, const struct client_reply *reply)
{
	bool watch = cli->options[OPTION_WATCH] != NULL;
	bool json = cli->options[OPTION_JSON] != NULL;
	json_t *job;
	char *id;
	enum cli_exit code = cli_parse(reply, &job);

	if (code != CLI_OK) {
		return code;
	}
	id = text_member(job, "id");
	if (!json) {
		job_warn(job);
		warn_of_workers(job);
		printf("%s\n", id);
	} else if (!watch) {
		cli_print(reply);
	}
	(void)fflush(stdout);
	if (watch) {
		cli->argument = id;
		code = watch_job(cli);
	}
	json_decref(job);
	free(id);
	return code;
}

static enum cli_exit submit(struct cli *cli, const char *path, const char *body)
{
	struct client_reply reply;
	enum cli_exit code = cli_call(cli, "POST", path, body, &reply);

	if (code == CLI_OK) {
		code = submitted(cli, &reply);
		client_reply_finish(&reply);
	}
	return code;
}

enum cli_exit jobs_submit(struct cli *cli)
{
	char *body = body_read(cli, cli->argument);
	enum cli_exit code = CLI_USAGE;

	if (body != NULL) {
		code = cli->options[OPTION_DRY_RUN] != NULL ? space_dry_run(cli, body)
							    : submit(cli, "/v1/jobs", body);
	}
	free(body);
	return code;
}

/* What is to be other than in the first job. The API replaces whole members: so what is set within one is set in
 * what the first job says of it. */
static enum cli_exit clone_body(struct cli *cli, char **ret_body)
{
	bool warm = cli->options[OPTION_WARM_START] != NULL;
	json_t *body = warm ? json_pack("{s:b}", "warm_start", 1) : json_object(), *spec = NULL;
	enum cli_exit code = CLI_OK;

	*ret_body = NULL;
	if (cli->set_count > 0) {
		code = cli_get_job(cli, "/spec", &spec);
	}
	if (code == CLI_OK && !body_set(cli, spec)) {
		code = CLI_USAGE;
	}
	if (code == CLI_OK) {
		body_copy_set(cli, spec, body);
		*ret_body = json_text(body);
	}
	json_decref(spec);
	json_decref(body);
	return code;
}

enum cli_exit jobs_clone(struct cli *cli)
{
	char *path = cli_job_path(cli, "/clone"), *body;
	enum cli_exit code = clone_body(cli, &body);

	if (code == CLI_OK) {
		code = submit(cli, path, body);
	}
	free(body);
	free(path);
	return code;
}

/* The verdict, or what keeps the job waiting. */
static char *note_of(const json_t *job)
{
	char *note = job_is_final(job) ? NULL : out_note(job, NAN, false);

	return note != NULL ? note : job_verdict_word(job);
}

void jobs_row(void *arg, const json_t *job)
{
	const json_t *best = json_object_get(job, "best");
	size_t warnings = json_array_size(json_object_get(job, "warnings"));
	struct table *table = arg;

	table_member(table, job, "id");
	table_member(table, job, "name");
	table_member(table, job, "state");
	table_member(table, job, "strategy");
	table_add(table, job_trials(job));
	table_number(table, json_object_get(best, "accuracy"));
	table_number(table, json_object_get(best, "objective_value"));
	table_add(table, job_improvement(best));
	table_add(table, warnings > 0 ? mem_printf("%zu", warnings) : mem_dup("-"));
	table_add(table, text_time(json_string_value(json_object_get(job, "created_at"))));
	table_add(table, note_of(job));
}

void jobs_table(struct table *table)
{
	static const char *const heads[] = {"JOB",      "NAME",          "STATE",     "STRATEGY",
					    "TRIALS",   "ACCURACY",      "OBJECTIVE", "SPEED-UP",
					    "WARNINGS", "CREATED (UTC)", "VERDICT",   NULL};
	static const char *const drop[] = {"CREATED (UTC)", "STRATEGY", "ACCURACY", "OBJECTIVE",
					   "WARNINGS",      "SPEED-UP", "NAME",     NULL};

	table_init(table, "llllrrrrrll", heads);
	table->drop = drop;
}

enum cli_exit jobs_list(struct cli *cli)
{
	struct table table;

	jobs_table(&table);
	return lists_fill(cli, "/v1/jobs", true, &table, jobs_row, &table);
}

/* What is out and what it waits for. */
static void add_out(struct table *table, const json_t *job)
{
	const json_t *progress = json_object_get(job, "progress");
	size_t i;
	json_t *question;

	table_pair(table, "waiting", out_waiting(job));
	if (json_is_object(json_object_get(progress, "waits_for"))) {
		table_pair(table, "waits for", out_waits_for(job));
	}
	json_array_foreach(json_object_get(progress, "out"), i, question) {
		table_pair(table, i == 0 ? "out" : "", out_question(job, question));
	}
}

static void add_warnings(struct table *table, const json_t *job)
{
	size_t i;
	json_t *warning;

	json_array_foreach(json_object_get(job, "warnings"), i, warning) {
		table_pair(table, "warning", job_warning(warning));
	}
}

/* What is better is better than this. */
static void add_again(struct table *table, const json_t *job)
{
	char *again = job_measured_again(job);

	if (again != NULL) {
		table_pair(table, "  measured again",
			   mem_printf("%s on average, which the best is compared with", again));
	}
	free(again);
}

/* All but those that our own clients find their jobs by. */
static void add_labels(struct table *table, const json_t *job)
{
	static const char ours[] = "narrowd-";
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)json_object_get(job, "labels"), name, value) {
		if (strncmp(name, ours, strlen(ours)) != 0) {
			char *label = mem_printf("%s: %s", name, json_string_value(value));

			table_pair(table, "label", text_clean(label));
			free(label);
		}
	}
}

static void add_pairs(struct table *table, const json_t *job)
{
	static const struct {
		const char *name, *member;
	} times[] = {
		{"created", "created_at"}, {"started", "started_at"}, {"finished", "finished_at"}};
	const json_t *baseline = json_object_get(job, "baseline");
	char *verdict = job_verdict(json_object_get(job, "best")); /* the table's */

	table_pair(table, "job", text_member(job, "id"));
	table_pair(table, "name", text_member(job, "name"));
	add_labels(table, job);
	table_pair(table, "state",
		   job_is_final(job) || job_is_stuck(job) ? job_end(job) : job_state(job));
	if (job_is_stuck(job)) {
		table_pair(table, "", job_remedy(job));
	}
	table_pair(table, "strategy", text_member(job, "strategy"));
	table_pair(table, "stage", stages_of_job(job));
	table_pair(table, "trials", job_trials(job));
	table_pair(table, "failed",
		   text_number(json_object_get(json_object_get(job, "progress"), "failed")));
	if (job_gains_nothing(job)) {
		table_pair(table, "hint", text_member(json_object_get(job, "progress"), "hint"));
	}
	table_pair(table, "active for", line_times(&(struct line){.job = job}));
	add_out(table, job);
	table_pair(table, "objective", job_objective(job));
	table_pair(table, "criterion", job_criterion(job, json_object_get(job, "best")));
	table_pair(table, "baseline", text_number(json_object_get(baseline, "accuracy")));
	table_pair(table, "  metrics", text_number(json_object_get(baseline, "metrics")));
	add_again(table, job);
	table_pair(table, "best", job_best(job, JOB_BEST_WHOLE));
	if (verdict != NULL) {
		table_pair(table, "verdict", verdict);
	}
	add_warnings(table, job);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		table_pair(table, times[i].name,
			   text_time(json_string_value(json_object_get(job, times[i].member))));
	}
}

enum cli_exit jobs_show(struct cli *cli)
{
	char *path = cli_job_path(cli, "");
	json_t *job;
	enum cli_exit code = cli_ask(cli, "GET", path, NULL, &job);
	struct table table;

	if (job != NULL) {
		table_init(&table, "ll", NULL);
		add_pairs(&table, job);
		table_print(&table);
		table_finish(&table);
	}
	json_decref(job);
	free(path);
	return code;
}

/* To somebody who would resume what has ended. */
static void say_way_on(struct cli *cli)
{
	json_t *job = NULL;

	if (cli_get_job(cli, "", &job) == CLI_OK && job_is_final(job)) {
		char *way = job_way_on(job);

		(void)fprintf(stderr, "narrow: %s\n", way);
		free(way);
	}
	json_decref(job);
}

enum cli_exit jobs_control(struct cli *cli)
{
	char *rest = mem_printf("/%s", cli->command), *path = cli_job_path(cli, rest);
	json_t *job;
	enum cli_exit code = cli_ask(cli, "POST", path, NULL, &job);

	if (code == CLI_REFUSED && strcmp(cli->command, "resume") == 0) {
		say_way_on(cli);
	}
	if (job != NULL) {
		char *id = text_member(job, "id"), *state = job_state(job);

		printf("%s is %s\n", id, state);
		free(id);
		free(state);
	}
	json_decref(job);
	free(path);
	free(rest);
	return code;
}

enum cli_exit jobs_edit(struct cli *cli)
{
	json_t *edits = json_object(), *job = NULL;
	char *path = cli_job_path(cli, ""), *body;
	enum cli_exit code = CLI_USAGE;

	if (cli->set_count == 0) {
		(void)fprintf(stderr, "narrow: missing: --set, as in --set max_trials=200\n");
	} else if (body_set(cli, edits)) {
		body = json_text(edits);
		code = cli_ask(cli, "PATCH", path, body, &job);
		free(body);
	}
	if (job != NULL) {
		char *id = text_member(job, "id");

		printf("%s is changed\n", id);
		free(id);
	}
	json_decref(job);
	json_decref(edits);
	free(path);
	return code;
}

enum cli_exit jobs_retry(struct cli *cli)
{
	const char *trial = cli->options[OPTION_TRIAL];
	char *number = client_escape(trial != NULL ? trial : "");
	char *rest = trial != NULL ? mem_printf("/trials/%s/retry", number) : mem_dup("/retry");
	char *path = cli_job_path(cli, rest);
	json_t *answer;
	enum cli_exit code = cli_ask(cli, "POST", path, "{}", &answer);

	if (answer != NULL) {
		printf("%s%s is measured again\n", trial != NULL ? "trial " : "what failed",
		       number);
	}
	json_decref(answer);
	free(path);
	free(rest);
	free(number);
	return code;
}

static char *exclusion_body(const char *reason)
{
	json_t *body = reason != NULL ? json_pack("{s:s}", "reason", reason) : json_object();
	char *text = body != NULL ? json_text(body) : NULL;

	json_decref(body);
	return text;
}

static void print_exclusion(const struct cli *cli, const json_t *job)
{
	char *best = job_best(job, JOB_BEST_WHOLE);

	printf("trial %s %sd, best: %s\n", cli->options[OPTION_TRIAL], cli->command, best);
	free(best);
}

enum cli_exit jobs_exclude(struct cli *cli)
{
	const char *trial = cli->options[OPTION_TRIAL];
	char *number = client_escape(trial != NULL ? trial : "");
	char *rest = mem_printf("/trials/%s/%s", number, cli->command);
	char *path = cli_job_path(cli, rest), *body = exclusion_body(cli->options[OPTION_REASON]);
	enum cli_exit code = CLI_USAGE;
	json_t *job = NULL;

	if (trial == NULL || body == NULL) {
		(void)fprintf(stderr, "narrow: %s\n",
			      trial == NULL ? "missing: --trial NUMBER"
					    : "the reason is not UTF-8 text");
	} else {
		code = cli_ask(cli, "POST", path, body, &job);
	}
	if (job != NULL) {
		print_exclusion(cli, job);
	}
	json_decref(job);
	free(body);
	free(path);
	free(rest);
	free(number);
	return code;
}

static enum cli_exit pass_on(struct cli *cli, const char *method, const char *rest)
{
	char *path = cli_job_path(cli, rest);
	enum cli_exit code = cli_pass_on(cli, method, path);

	free(path);
	return code;
}

enum cli_exit jobs_delete(struct cli *cli)
{
	return pass_on(cli, "DELETE", "");
}

/* Whether it is a config for a tool, which somebody is about to deploy, and no document to read. */
static bool is_for_a_tool(const char *format)
{
	return format != NULL && strcmp(format, "json") != 0 && strcmp(format, "csv") != 0;
}

enum cli_exit jobs_export(struct cli *cli)
{
	const char *format = cli->options[OPTION_FORMAT];
	const char *trial = cli->options[OPTION_TRIAL];
	char *value = client_escape(format != NULL ? format : "json");
	char *number = client_escape(trial != NULL ? trial : "");
	char *rest =
		mem_printf("/export?format=%s%s%s", value, trial != NULL ? "&trial=" : "", number);
	enum cli_exit code = pass_on(cli, "GET", rest);
	char *path = cli_job_path(cli, "");
	json_t *job = NULL;

	if (code == CLI_OK && trial == NULL && is_for_a_tool(format)) {
		code = cli_get(cli, path, &job);
		job_warn_of_kept(job);
	}
	json_decref(job);
	free(path);
	free(rest);
	free(number);
	free(value);
	return code;
}
