/* Prints collections as tables: trials, fronts, sensitivities, strategies, evaluators, workers. */
#include "cli/lists.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "cli/job.h"
#include "cli/stages.h"
#include "cli/table.h"
#include "cli/text.h"

enum { NOTE_MAX = 4096 };

enum cli_exit lists_fill(struct cli *cli, const char *path, bool paged, struct table *table,
			 lists_row_fn add, void *arg)
{
	enum cli_exit code = cli_pages(cli, path, paged, add, arg);

	if (code == CLI_OK && cli->options[OPTION_JSON] == NULL) {
		table_print(table);
	}
	table_finish(table);
	return code;
}

enum cli_exit lists_print(struct cli *cli, const char *path, bool paged, const char *align,
			  const char *const *heads, lists_row_fn add)
{
	struct table table;

	table_init(&table, align, heads);
	return lists_fill(cli, path, paged, &table, add, &table);
}

/* The rows of a list of trials. */
struct trial_rows {
	struct table table;
	json_t *job; /* of a front; NULL */
	bool metric; /* its points are shown by one metric, not by what weighs several */
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

/* What is unusual about a trial: its kind, whose config it measures again, its source, its error, its exclusion, its
 * attempts. */
static char *note_of(const struct trial_rows *rows, const json_t *trial)
{
	static const char *const members[] = {"kind", "source", "error"};
	static const char *const usual[] = {"evaluate", "measured", "-"};
	json_int_t attempts = json_integer_value(json_object_get(trial, "attempts"));
	const json_t *reason = json_object_get(json_object_get(trial, "excluded"), "reason");
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
	if (json_is_string(reason)) {
		char *clean = text_clean(json_string_value(reason));

		buf_printf(&buf, "%sexcluded: %s", buf.length > 0 ? ", " : "", clean);
		free(clean);
	}
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

	table_text(table,
		   json_is_boolean(feasible) ? (json_is_true(feasible) ? "yes" : "no") : "-");
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

/* Prints the table, whose columns `align` and `heads` say, and what the stages in it are for. */
static enum cli_exit print_trials(struct cli *cli, const char *rest, bool paged, const char *align,
				  const char *const *heads, lists_row_fn add,
				  struct trial_rows *rows)
{
	char *path = cli_job_path(cli, rest);
	enum cli_exit code;

	rows->first = json_object();
	rows->stages = json_object();
	table_init(&rows->table, align, heads);
	code = lists_fill(cli, path, paged, &rows->table, add, rows);
	if (code == CLI_OK) {
		stages_print(cli, rows->stages);
	}
	json_decref(rows->first);
	json_decref(rows->stages);
	free(path);
	return code;
}

enum cli_exit lists_trials(struct cli *cli)
{
	static const char *const heads[] = {"TRIAL",     "STAGE", "STATE", "ACCURACY",
					    "OBJECTIVE", "MET",   "NOTE",  NULL};
	struct trial_rows rows = {.job = NULL};

	return print_trials(cli, "/trials", true, "rllrrll", heads, add_trial, &rows);
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

/* A point of the front: what it loses beside what it gains. */
static void add_point(void *arg, const json_t *trial)
{
	struct trial_rows *rows = arg;
	struct table *table = &rows->table;

	note_stage(rows, trial);
	table_number(table, json_object_get(trial, "number"));
	table_number(table, json_object_get(trial, "accuracy"));
	table_add(table, signed_loss(rows->job, json_object_get(trial, "accuracy_loss")));
	table_number(table, json_object_get(trial, rows->metric ? "value" : "objective_value"));
	if (rows->metric) {
		table_add(table, job_improvement(trial));
	}
	add_met(table, trial);
	table_member(table, trial, "stage");
	table_add(table, note_of(rows, trial));
}

static char *head_of(const char *name)
{
	char *head = text_clean(name);

	for (char *at = head; *at != '\0'; at++) {
		*at = (char)toupper((unsigned char)*at);
	}
	return head;
}

/* "LATENCY_MS" of the metric that is open beside accuracy; NULL where several are weighed. The caller frees. */
static char *metric_head(const json_t *job)
{
	const json_t *terms = json_object_get(job, "objective");
	const char *name = NULL;
	size_t i, count = 0;
	json_t *term;

	json_array_foreach(terms, i, term) {
		const char *metric = json_string_value(json_object_get(term, "metric"));

		if (metric != NULL &&
		    (json_array_size(terms) == 1 || strcmp(metric, "accuracy") != 0)) {
			name = metric;
			count++;
		}
	}
	return count == 1 ? head_of(name) : NULL;
}

enum cli_exit lists_pareto(struct cli *cli)
{
	struct trial_rows rows = {.job = NULL};
	enum cli_exit code = cli_get_job(cli, "", &rows.job);
	char *metric = metric_head(rows.job);
	const char *const one[] = {"TRIAL", "ACCURACY", "LOSS", metric, "SPEED-UP",
				   "MET",   "STAGE",    "NOTE", NULL};
	const char *const several[] = {"TRIAL", "ACCURACY", "LOSS", "OBJECTIVE",
				       "MET",   "STAGE",    "NOTE", NULL};

	rows.metric = metric != NULL;
	if (code == CLI_OK) {
		code = print_trials(cli, "/pareto", false, rows.metric ? "rrrrrlll" : "rrrrlll",
				    rows.metric ? one : several, add_point, &rows);
	}
	json_decref(rows.job);
	free(metric);
	return code;
}

/* What is believed of the option that is believed to lose least; --json has every one. */
static const json_t *loss_of(const json_t *item)
{
	json_int_t least = json_integer_value(json_object_get(item, "least"));
	const json_t *options = json_object_get(item, "options");

	return json_object_get(json_array_get(options, (size_t)least), "loss");
}

static void add_operator(void *arg, const json_t *item)
{
	const json_t *loss = loss_of(item);
	struct table *table = arg;

	table_member(table, item, "op");
	table_member(table, item, "type");
	table_number(table, json_object_get(item, "score"));
	table_member(table, item, "method");
	table_member(table, item, "precision");
	table_number(table, json_object_get(item, "accuracy_change"));
	table_number(table, json_object_get(item, "latency_change_ms"));
	if (json_number_value(json_object_get(loss, "mean")) < 0) {
		table_text(table, "0"); /* a model's mean may say that nothing is lost at all */
	} else {
		table_number(table, json_object_get(loss, "mean"));
	}
	table_number(table, json_object_get(loss, "spread"));
}

static void keep(void *arg, const json_t *item)
{
	(void)json_array_append(arg, (json_t *)item);
}

static const char *name_of(const json_t *item)
{
	const char *name = json_string_value(json_object_get(item, "op"));

	return name != NULL ? name : "";
}

/* The best of what is known of an operator's loss comes first, and with equal knowledge the largest. */
static int compare_losses(const void *a, const void *b)
{
	const json_t *one = *(json_t *const *)a, *other = *(json_t *const *)b;
	const json_t *known[][2] = {
		{json_object_get(loss_of(one), "mean"), json_object_get(loss_of(other), "mean")},
		{json_object_get(one, "accuracy_change"),
		 json_object_get(other, "accuracy_change")},
		{json_object_get(one, "score"), json_object_get(other, "score")},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		bool has = json_is_number(known[i][0]), others = json_is_number(known[i][1]);
		double x = json_number_value(known[i][0]), y = json_number_value(known[i][1]);

		if (has != others) {
			return has ? -1 : 1;
		}
		if (has && x != y) {
			return x > y ? -1 : 1;
		}
	}
	return strcmp(name_of(one), name_of(other));
}

static void print_operators(const json_t *items)
{
	static const char *const heads[] = {"OPERATOR", "TYPE",       "SCORE", "METHOD", "ALONE IN",
					    "ACCURACY", "LATENCY MS", "LOSS",  "SPREAD", NULL};
	size_t count = json_array_size(items);
	const json_t **sorted = mem_new(count + 1, sizeof(json_t *));
	struct table table;

	for (size_t i = 0; i < count; i++) {
		sorted[i] = json_array_get(items, i);
	}
	qsort(sorted, count, sizeof(json_t *), compare_losses);
	table_init(&table, "llrllrrrr", heads);
	for (size_t i = 0; i < count; i++) {
		add_operator(&table, sorted[i]);
	}
	table_print(&table);
	table_finish(&table);
	free(sorted);
}

enum cli_exit lists_sensitivity(struct cli *cli)
{
	char *path = cli_job_path(cli, "/sensitivity");
	json_t *items = json_array();
	enum cli_exit code = cli_pages(cli, path, false, keep, items);

	if (code == CLI_OK && cli->options[OPTION_JSON] == NULL) {
		print_operators(items);
	}
	json_decref(items);
	free(path);
	return code;
}

static void add_strategy(void *arg, const json_t *strategy)
{
	struct table *table = arg;

	table_member(table, strategy, "name");
	table_member(table, strategy, "origin");
	table_member(table, strategy, "summary");
}

enum cli_exit lists_strategies(struct cli *cli)
{
	static const char *const heads[] = {"STRATEGY", "ORIGIN", "SUMMARY", NULL};

	return lists_print(cli, "/v1/strategies", false, "lll", heads, add_strategy);
}

static void add_worker(void *arg, const json_t *worker)
{
	struct table *table = arg;

	table_member(table, worker, "name");
	table_member(table, worker, "pool");
	table_add(table, mem_printf("%zu", json_array_size(json_object_get(worker, "leases"))));
	table_number(table, json_object_get(worker, "answers"));
	table_number(table, json_object_get(worker, "trials_per_hour"));
	table_add(table, text_time(json_string_value(json_object_get(worker, "last_seen"))));
}

enum cli_exit lists_workers(struct cli *cli)
{
	static const char *const heads[] = {"NAME",      "POOL",      "HOLDS", "ANSWERS",
					    "LAST HOUR", "LAST SEEN", NULL};

	return lists_print(cli, "/v1/workers", false, "llrrrl", heads, add_worker);
}

struct evaluators {
	struct table table;
	struct cli *cli;
};

/* How it is; NULL when that cannot be told. New reference. */
static json_t *health_of(struct cli *cli, const json_t *evaluator)
{
	const char *name = json_string_value(json_object_get(evaluator, "id"));
	char *id = client_escape(name != NULL ? name : "");
	char *path = mem_printf("/v1/evaluators/%s/health", id);
	json_t *health = name != NULL ? cli_beside(cli, path) : NULL;

	free(path);
	free(id);
	return health;
}

static void add_evaluator(void *arg, const json_t *evaluator)
{
	struct evaluators *list = arg;
	json_t *health = health_of(list->cli, evaluator);
	const char *since = json_string_value(json_object_get(health, "down_since"));

	table_member(&list->table, evaluator, "id");
	table_member(&list->table, evaluator, "name");
	table_member(&list->table, evaluator, "url");
	if (health == NULL) {
		table_text(&list->table, "-");
	} else if (since == NULL) {
		table_text(&list->table, "well");
	} else {
		char *time = text_time(since), *error = text_member(health, "last_error");

		table_add(&list->table, mem_printf("down since %s: %s", time, error));
		free(time);
		free(error);
	}
	json_decref(health);
}

enum cli_exit lists_evaluators(struct cli *cli)
{
	static const char *const heads[] = {"EVALUATOR", "NAME", "URL", "STATE", NULL};
	struct evaluators evaluators = {.cli = cli};

	table_init(&evaluators.table, "llll", heads);
	return lists_fill(cli, "/v1/evaluators", true, &evaluators.table, add_evaluator,
			  &evaluators);
}
