/* Prints collections as tables: sensitivities, strategies, evaluators, workers. */
#include "cli/lists.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/table.h"
#include "cli/text.h"

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
