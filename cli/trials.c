/* Prints trials as tables: those of a job, and of its front. */
#include "cli/trials.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/job.h"
#include "cli/lists.h"
#include "cli/stages.h"
#include "cli/table.h"
#include "cli/text.h"

enum { NOTE_MAX = 4096 };

/* The rows of a list of trials. */
struct trial_rows {
	struct table table;
	json_t *first; /* of each config, by its hash: the number of the trial that measured it before the others */
	json_t *stages; /* that stand in the table, by name */
};

/* "of trial 8": whose config a trial measures again; NULL when it is the first, or that one is not listed. */
static char *again_of(const struct trial_rows *rows, const json_t *trial)
{
	const char *hash = json_string_value(json_object_get(trial, "hash"));
	const char *kind = json_string_value(json_object_get(trial, "kind"));
	const json_t *first = hash != NULL ? json_object_get(rows->first, hash) : NULL;

	if (kind != NULL && strcmp(kind, "score") == 0) {
		return NULL; /* it begins with a config, and measures none */
	}
	if (first != NULL) {
		return mem_printf("of trial %lld", (long long)json_integer_value(first));
	}
	if (hash != NULL) {
		(void)json_object_set(rows->first, hash, json_object_get(trial, "number"));
	}
	return hash == NULL && kind != NULL && strcmp(kind, "confirm") == 0
		       ? mem_dup("of the baseline")
		       : NULL;
}

/* Why somebody, or the end game, holds something against a trial. */
static void add_reason(const json_t *trial, const char *member, struct buf *buf)
{
	const json_t *reason = json_object_get(json_object_get(trial, member), "reason");

	if (json_is_string(reason)) {
		char *clean = text_clean(json_string_value(reason));

		buf_printf(buf, "%s%s: %s", buf->length > 0 ? ", " : "", member, clean);
		free(clean);
	}
}

/* What is unusual about a trial: its kind, whose config it measures again, its source, its error, its exclusion, its
 * rejection, its attempts. */
static char *note_of(const struct trial_rows *rows, const json_t *trial)
{
	static const char *const members[] = {"kind", "source", "error"};
	static const char *const usual[] = {"evaluate", "measured", "-"};
	json_int_t attempts = json_integer_value(json_object_get(trial, "attempts"));
	char *again = again_of(rows, trial);
	struct buf buf;

	buf_init(&buf, NOTE_MAX);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		char *text = text_member(trial, members[i]);

		if (strcmp(text, usual[i]) != 0 && strcmp(text, "-") != 0) {
			buf_printf(&buf, "%s%s", buf.length > 0 ? ", " : "", text);
		}
		free(text);
		if (i == 0 && again != NULL) {
			buf_printf(&buf, "%s%s", buf.length > 0 ? " " : "again, ", again);
		}
	}
	free(again);
	add_reason(trial, "excluded", &buf);
	add_reason(trial, "rejected", &buf);
	if (attempts > 1) {
		buf_printf(&buf, "%sasked %lld times", buf.length > 0 ? ", " : "",
			   (long long)attempts);
	}
	return buf_take(&buf, NULL);
}

static void note_stage(const struct trial_rows *rows, const json_t *trial)
{
	const char *stage = json_string_value(json_object_get(trial, "stage"));

	if (stage != NULL) {
		(void)json_object_set_new(rows->stages, stage, json_true());
	}
}

static void add_met(struct table *table, const json_t *trial)
{
	const json_t *feasible = json_object_get(trial, "feasible");

	table_text(table, json_is_object(json_object_get(trial, "rejected")) ? "no, rejected"
			  : json_is_boolean(feasible) ? (json_is_true(feasible) ? "yes" : "no")
						      : "-");
}

static void add_trial(void *arg, const json_t *trial)
{
	struct trial_rows *rows = arg;
	struct table *table = &rows->table;

	note_stage(rows, trial);
	table_number(table, json_object_get(trial, "number"));
	table_member(table, trial, "stage");
	table_member(table, trial, "state");
	table_number(table, json_object_get(trial, "accuracy"));
	table_number(table, json_object_get(trial, "objective_value"));
	add_met(table, trial);
	table_add(table, note_of(rows, trial));
}

static void begin_rows(struct trial_rows *rows, const char *align, const char *const *heads)
{
	rows->first = json_object();
	rows->stages = json_object();
	table_init(&rows->table, align, heads);
}

/* All but the table; says what the stages in it are for where it was printed. */
static void end_rows(struct cli *cli, struct trial_rows *rows, enum cli_exit code)
{
	if (code == CLI_OK) {
		stages_print(cli, rows->stages);
	}
	json_decref(rows->first);
	json_decref(rows->stages);
}

enum cli_exit trials_list(struct cli *cli)
{
	static const char *const heads[] = {"TRIAL",     "STAGE", "STATE", "ACCURACY",
					    "OBJECTIVE", "MET",   "NOTE",  NULL};
	char *path = cli_job_path(cli, "/trials");
	struct trial_rows rows;
	enum cli_exit code;

	begin_rows(&rows, "rllrrll", heads);
	code = lists_fill(cli, path, true, &rows.table, add_trial, &rows);
	end_rows(cli, &rows, code);
	free(path);
	return code;
}

/* What a point loses; below 0 what it gains. */
static char *signed_loss(const json_t *job, const json_t *loss)
{
	char *amount = job_loss(job, loss), *text;

	if (job_is_lost(loss)) {
		return amount;
	}
	text = mem_printf("-%s", amount);
	free(amount);
	return text;
}

/* A point of the front: what it loses beside what it gains, by one metric where there is one. */
static void add_point(struct trial_rows *rows, const json_t *job, bool by_metric,
		      const json_t *trial)
{
	struct table *table = &rows->table;

	note_stage(rows, trial);
	table_number(table, json_object_get(trial, "number"));
	table_number(table, json_object_get(trial, "accuracy"));
	table_add(table, signed_loss(job, json_object_get(trial, "accuracy_loss")));
	table_number(table, json_object_get(trial, by_metric ? "value" : "objective_value"));
	if (by_metric) {
		table_add(table, job_improvement(trial));
	}
	add_met(table, trial);
	table_member(table, trial, "stage");
	table_add(table, note_of(rows, trial));
}

/* "LATENCY_MS" of the metric that the points are shown by; NULL where several are weighed. The caller frees. */
static char *metric_head(const json_t *points)
{
	const char *name =
		json_string_value(json_object_get(json_array_get(points, 0), "objective"));
	char *head = name != NULL ? text_clean(name) : NULL;

	for (char *at = head; at != NULL && *at != '\0'; at++) {
		*at = (char)toupper((unsigned char)*at);
	}
	return head;
}

/* The front is of the search, and so is its baseline. */
static void print_baseline(const json_t *job)
{
	char *again = job_measured_again(job);

	if (again != NULL) {
		printf("\nAll of this is against the baseline as it was measured first. Measured "
		       "again it has %s on average, which best is compared with.\n",
		       again);
	}
	free(again);
}

static void print_front(struct cli *cli, const json_t *job, const json_t *points)
{
	char *metric = metric_head(points);
	const char *const one[] = {"TRIAL", "ACCURACY", "LOSS", metric, "SPEED-UP",
				   "MET",   "STAGE",    "NOTE", NULL};
	const char *const several[] = {"TRIAL", "ACCURACY", "LOSS", "OBJECTIVE",
				       "MET",   "STAGE",    "NOTE", NULL};
	struct trial_rows rows;
	size_t i;
	json_t *trial;

	begin_rows(&rows, metric != NULL ? "rrrrrlll" : "rrrrlll", metric != NULL ? one : several);
	json_array_foreach(points, i, trial) {
		add_point(&rows, job, metric != NULL, trial);
	}
	table_print(&rows.table);
	table_finish(&rows.table);
	end_rows(cli, &rows, CLI_OK);
	print_baseline(job);
	free(metric);
}

static void keep(void *arg, const json_t *item)
{
	(void)json_array_append(arg, (json_t *)item);
}

enum cli_exit trials_front(struct cli *cli)
{
	char *path = cli_job_path(cli, "/pareto");
	json_t *job = NULL, *points = json_array();
	enum cli_exit code = cli_get_job(cli, "", &job);

	if (code == CLI_OK) {
		code = cli_pages(cli, path, false, keep, points);
	}
	if (code == CLI_OK && cli->options[OPTION_JSON] == NULL) {
		print_front(cli, job, points);
	}
	json_decref(job);
	json_decref(points);
	free(path);
	return code;
}
