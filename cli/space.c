/* Prints the operators and options of a space, and what a dry run says of a job. */
#include "cli/space.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/plural.h"
#include "cli/best.h"
#include "cli/job.h"
#include "cli/probe.h"
#include "cli/stages.h"
#include "cli/table.h"
#include "cli/text.h"

enum { TEXT_MAX = 1024 * 1024 };

/* Operators that have the same type and may be in the same modes, in as many ways. */
struct kind {
	const json_t *first; /* of them; borrowed */
	size_t count;
};

static bool is_of_kind(const json_t *op, const json_t *other)
{
	static const char *const members[] = {"type", "choices", "modes"};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (!json_equal(json_object_get(op, members[i]),
				json_object_get(other, members[i]))) {
			return false;
		}
	}
	return true;
}

/* In the order of the graph; the caller frees. */
static struct kind *kinds_of(const json_t *ops, size_t *ret_count)
{
	struct kind *kinds = mem_new(json_array_size(ops) + 1, sizeof(*kinds));
	size_t i, k;
	json_t *op;

	*ret_count = 0;
	json_array_foreach(ops, i, op) {
		for (k = 0; k < *ret_count && !is_of_kind(op, kinds[k].first); k++) {
		}
		if (k == *ret_count) {
			kinds[(*ret_count)++].first = op;
		}
		kinds[k].count++;
	}
	return kinds;
}

static void print_operators(const json_t *space)
{
	static const char *const heads[] = {"TYPE",  "OPERATORS", "CHOICES EACH",
					    "MODES", "DEFAULT",   NULL};
	size_t count;
	struct kind *kinds = kinds_of(json_object_get(space, "ops"), &count);
	struct table table;

	table_init(&table, "lrrll", heads);
	for (size_t i = 0; i < count; i++) {
		const json_t *op = kinds[i].first;

		table_member(&table, op, "type");
		table_add(&table, mem_printf("%zu", kinds[i].count));
		table_number(&table, json_object_get(op, "choices"));
		table_add(&table, probe_names(json_object_get(op, "modes")));
		table_member(&table, json_object_get(op, "default"), "mode");
	}
	(void)putchar('\n');
	table_print(&table);
	table_finish(&table);
	free(kinds);
}

/* "sgp, at most 20 trials, stop_on budget" */
static char *strategy_text(const json_t *plan)
{
	char *strategy = text_member(plan, "strategy"), *stop = text_member(plan, "stop_on");
	char *trials = text_number(json_object_get(plan, "max_trials"));
	double seconds = json_number_value(json_object_get(plan, "timeout"));
	char *time = text_duration(seconds);
	char *text = mem_printf("%s, at most %s trial%s%s%s, stop_on %s", strategy, trials,
				plural_s(json_integer_value(json_object_get(plan, "max_trials"))),
				seconds > 0 ? " and " : "", seconds > 0 ? time : "", stop);

	free(strategy);
	free(stop);
	free(trials);
	free(time);
	return text;
}

static void add_uniform(struct table *table, const json_t *space)
{
	size_t i, k;
	json_t *option, *value;

	json_array_foreach(json_object_get(space, "uniform"), i, option) {
		struct buf buf;
		char *mode = text_member(option, "mode"), *name = text_member(option, "option");

		buf_init(&buf, TEXT_MAX);
		buf_printf(&buf, "%s of %s, one for all:", name, mode);
		json_array_foreach(json_object_get(option, "values"), k, value) {
			char *text = json_is_string(value) ? text_clean(json_string_value(value))
							   : text_number(value);

			buf_printf(&buf, "%s %s", k > 0 ? "," : "", text);
			free(text);
		}
		table_pair(table, "uniform", buf_take(&buf, NULL));
		free(name);
		free(mode);
	}
}

/* "of 48 of 54 operators, from job_...": what the job begins with. NULL where it begins with nothing. */
static char *learnt_text(const json_t *learnt)
{
	json_int_t all = json_integer_value(json_object_get(learnt, "of"));
	struct buf buf;
	size_t i;
	json_t *id;

	if (!json_is_object(learnt)) {
		return NULL;
	}
	buf_init(&buf, TEXT_MAX);
	buf_printf(&buf, "of %lld of %lld operator%s",
		   (long long)json_integer_value(json_object_get(learnt, "operators")),
		   (long long)all, plural_s(all));
	json_array_foreach(json_object_get(learnt, "from"), i, id) {
		char *text = text_clean(json_string_value(id));

		buf_printf(&buf, "%s %s", i > 0 ? "," : ", from", text);
		free(text);
	}
	return buf_take(&buf, NULL);
}

static void add_plan(struct table *table, const json_t *plan)
{
	char *learnt = learnt_text(json_object_get(plan, "learnt"));

	if (plan != NULL) {
		table_pair(table, "strategy", strategy_text(plan));
		table_pair(table, "approach", text_member(plan, "approach"));
		table_pair(table, "objective", job_objective(plan));
		table_pair(table, "criterion", job_criterion(plan, NULL));
	}
	if (learnt != NULL) {
		table_pair(table, "learnt", learnt);
	}
}

/* What of the submission has no effect, and what its patterns match. */
static void add_findings(struct table *table, const json_t *space)
{
	const json_t *warnings = json_object_get(space, "warnings");
	size_t i;
	json_t *item;

	json_array_foreach(json_object_get(space, "entries"), i, item) {
		char *pointer = text_member(item, "pointer");
		char *count = text_number(json_object_get(item, "count"));
		char *names = probe_names(json_object_get(item, "matched"));

		table_pair(table, "matches", mem_printf("%s: %s (%s)", pointer, count, names));
		free(names);
		free(count);
		free(pointer);
	}
	json_array_foreach(warnings, i, item) {
		table_pair(table, "dropped", job_warning(item));
	}
	if (json_array_size(warnings) == 0) {
		table_pair(table, "dropped", mem_dup("nothing"));
	}
}

static void print_head(const json_t *space)
{
	const json_t *sizes = json_object_get(space, "calibration_sampling_sizes");
	size_t i;
	json_t *size;
	struct table table;
	struct buf buf;

	buf_init(&buf, TEXT_MAX);
	json_array_foreach(sizes, i, size) {
		buf_printf(&buf, "%s%lld", i > 0 ? ", " : "", (long long)json_integer_value(size));
	}
	table_init(&table, "ll", NULL);
	add_plan(&table, json_object_get(space, "job"));
	table_pair(&table, "configs", text_member(space, "size"));
	table_pair(&table, "operators",
		   mem_printf("%zu", json_array_size(json_object_get(space, "ops"))));
	table_pair(&table, "calibration samples", buf_take(&buf, NULL));
	add_uniform(&table, space);
	add_findings(&table, space);
	table_print(&table);
	table_finish(&table);
}

/* A config that says only what differs from the default, with the rest put in. New reference. */
static json_t *whole_ops(const json_t *space, const json_t *config)
{
	json_t *ops = json_object(), *op;
	size_t i;

	json_array_foreach(json_object_get(space, "ops"), i, op) {
		const char *name = json_string_value(json_object_get(op, "name"));
		json_t *other =
			json_object_get(json_object_get(config, "ops"), name != NULL ? name : "");

		(void)json_object_set(ops, name != NULL ? name : "",
				      other != NULL ? other : json_object_get(op, "default"));
	}
	return ops;
}

static void print_first(struct cli *cli, const json_t *space)
{
	static const char *const heads[] = {"FIRST", "ASKS FOR", "OPERATORS", NULL};
	const json_t *first = json_object_get(space, "first");
	json_t *stages, *item;
	struct table table;
	size_t i;

	if (json_array_size(first) == 0) {
		return;
	}
	stages = json_object();
	table_init(&table, "lll", heads);
	json_array_foreach(first, i, item) {
		json_t *ops = whole_ops(space, json_object_get(item, "config"));

		(void)json_object_set(stages, json_string_value(json_object_get(item, "stage")),
				      item);
		table_member(&table, item, "stage");
		table_member(&table, item, "kind");
		table_add(&table, best_modes(ops));
		json_decref(ops);
	}
	(void)putchar('\n');
	table_print(&table);
	table_finish(&table);
	stages_print(cli, stages);
	json_decref(stages);
}

static enum cli_exit show(struct cli *cli, const char *method, const char *path, const char *body)
{
	json_t *space;
	enum cli_exit code = cli_ask(cli, method, path, body, &space);

	if (space != NULL) {
		print_head(space);
		print_operators(space);
		print_first(cli, space);
	}
	json_decref(space);
	return code;
}

enum cli_exit space_show(struct cli *cli)
{
	char *path = cli_job_path(cli, "/space");
	enum cli_exit code = show(cli, "GET", path, NULL);

	free(path);
	return code;
}

enum cli_exit space_dry_run(struct cli *cli, const char *body)
{
	return show(cli, "POST", "/v1/spaces", body);
}
