/* Shows the best config of a job in a few lines, with what it rests on. */
#include "cli/best.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "cli/job.h"
#include "cli/lowerable.h"
#include "cli/rival.h"
#include "cli/table.h"
#include "cli/text.h"

enum { MODES_MAX = 16, TEXT_MAX = 16 * 1024 * 1024 };

struct mode_count {
	const char *mode;
	size_t count;
};

static const char *mode_of(const json_t *op)
{
	const char *mode = json_string_value(json_object_get(op, "mode"));

	return mode != NULL ? mode : "?";
}

bool best_keeps(const char *mode)
{
	static const char *const modes[] = {"fp32", "bf16", "fp16"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(mode, modes[i]) == 0) {
			return true;
		}
	}
	return false;
}

static int by_count(const void *a, const void *b)
{
	const struct mode_count *x = a, *y = b;

	if (x->count != y->count) {
		return x->count < y->count ? 1 : -1;
	}
	return strcmp(x->mode, y->mode);
}

char *best_modes(json_t *ops)
{
	struct mode_count modes[MODES_MAX];
	size_t count = 0;
	const char *name;
	json_t *op;
	struct buf buf;

	json_object_foreach(ops, name, op) {
		size_t i = 0;

		while (i < count && strcmp(modes[i].mode, mode_of(op)) != 0) {
			i++;
		}
		if (i == MODES_MAX) {
			continue;
		}
		if (i == count) {
			modes[count++] = (struct mode_count){.mode = mode_of(op)};
		}
		modes[i].count++;
	}
	qsort(modes, count, sizeof(modes[0]), by_count);
	buf_init(&buf, TEXT_MAX);
	for (size_t i = 0; i < count; i++) {
		char *clean = text_clean(modes[i].mode);

		buf_printf(&buf, "%s%s %zu", i > 0 ? ", " : "", clean, modes[i].count);
		free(clean);
	}
	return buf_take(&buf, NULL);
}

static size_t count_of(json_t *ops, bool high)
{
	size_t count = 0;
	const char *name;
	json_t *op;

	json_object_foreach(ops, name, op) {
		count += best_keeps(mode_of(op)) == high;
	}
	return count;
}

/* The names of those in high precision or of the quantized ones, in graph order, and how many are not
 * named. */
static char *names_text(json_t *ops, bool high)
{
	size_t others = count_of(ops, !high);
	const char *name, *separator = "";
	json_t *op;
	struct buf buf;

	buf_init(&buf, TEXT_MAX);
	json_object_foreach(ops, name, op) {
		if (best_keeps(mode_of(op)) == high) {
			char *clean = text_clean(name), *mode = text_clean(mode_of(op));

			buf_printf(&buf, "%s%s (%s)", separator, clean, mode);
			separator = ", ";
			free(clean);
			free(mode);
		}
	}
	buf_printf(&buf, "%s%zu %s", buf.length == 0 ? "none, all " : "; the other ", others,
		   high ? "quantized" : "in high precision");
	return buf_take(&buf, NULL);
}

/* Of the two sets the smaller one: nobody reads 50 names where 4 say the same. */
static void add_names(struct table *table, json_t *ops)
{
	bool high = count_of(ops, true) <= count_of(ops, false);

	table_pair(table, high ? "high precision" : "quantized", names_text(ops, high));
}

static void count_values(struct map *values, const char *tensor, json_t *items)
{
	const char *item;
	json_t *value;

	json_object_foreach(items, item, value) {
		char *text = text_member(items, item),
		     *key = mem_printf("%s %s %s", tensor, item, text);

		map_set(values, key, map_get(values, key, 0) + 1);
		free(key);
		free(text);
	}
}

/* What all quantized operators have in common besides their mode; NULL for nothing. */
static char *common_text(json_t *ops)
{
	size_t quantized = count_of(ops, false);
	const char *name, *tensor;
	json_t *op, *items;
	struct map values;
	struct buf buf;

	map_init(&values);
	json_object_foreach(ops, name, op) {
		json_object_foreach(op, tensor, items) {
			if (!best_keeps(mode_of(op))) {
				count_values(&values, tensor, items);
			}
		}
	}
	buf_init(&buf, TEXT_MAX);
	for (size_t i = 0; i < values.used; i++) {
		if (quantized > 1 && (size_t)values.slots[i].value == quantized) {
			buf_printf(&buf, "%s%s", buf.length > 0 ? ", " : "", values.slots[i].key);
		}
	}
	map_finish(&values);
	if (buf.length == 0) {
		buf_finish(&buf);
		return NULL;
	}
	return buf_take(&buf, NULL);
}

/* "0.7543, baseline 0.7611, loss 0.89 %" */
static char *accuracy_text(const json_t *job, const json_t *best)
{
	char *value = text_number(json_object_get(best, "accuracy"));
	char *base = text_number(job_baseline_accuracy(job, best));
	const json_t *lost = json_object_get(best, "accuracy_loss");
	char *loss = job_loss(job, lost);
	char *text = mem_printf("%s, baseline %s, %s %s", value, base,
				job_is_lost(lost) ? "loss" : "gain", loss);

	free(value);
	free(base);
	free(loss);
	return text;
}

/* "latency_ms 5.1, baseline 11.8, speed-up 2.31x" */
static char *objective_text(const json_t *job, const json_t *best)
{
	char *name = job_objective(job);
	char *value = text_number(json_object_get(best, "objective_value"));
	char *base = job_baseline_value(job, best);
	char *improvement = job_improvement(best);
	struct buf buf;

	buf_init(&buf, TEXT_MAX);
	buf_printf(&buf, "%s %s", name, value);
	if (strcmp(base, "-") != 0) {
		buf_printf(&buf, ", baseline %s", base);
	}
	if (strcmp(improvement, "-") != 0) {
		buf_printf(&buf, ", %s %s",
			   !json_is_number(json_object_get(best, "speedup")) ? "gain"
			   : strstr(name, "size") != NULL                    ? "smaller"
									     : "speed-up",
			   improvement);
	}
	free(improvement);
	free(name);
	free(value);
	free(base);
	return buf_take(&buf, NULL);
}

/* What else was measured, beside the baseline that the rest is compared with: a smaller model may be a slower one. Older bests
 * do not have that one. */
static void add_metrics(struct table *table, const json_t *job, const json_t *best)
{
	const json_t *first = json_object_get(json_object_get(job, "baseline"), "metrics");
	const json_t *used = json_object_get(json_object_get(best, "baseline"), "metrics");
	char *objective = job_objective(job);
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(best, "metrics"), name, value) {
		if (strcmp(name, objective) != 0) {
			char *clean = text_clean(name), *is = text_number(value);
			const json_t *base = json_object_get(used, name);
			char *was = text_number(base != NULL ? base : json_object_get(first, name));

			table_pair(table, clean, mem_printf("%s, baseline %s", is, was));
			free(clean);
			free(is);
			free(was);
		}
	}
	free(objective);
}

/* "met", or "missed: loses 1.35 % where 1 % is allowed"; of several accuracies the one that misses by most counts. */
static char *met_text(const json_t *job, const json_t *best)
{
	const json_t *misses = json_object_get(json_object_get(best, "nearest"), "misses_by");
	const json_t *criterion = json_object_get(job, "criterion");
	const json_t *loss = json_object_get(best, "accuracy_loss");
	const json_t *allowed = json_object_get(criterion, "tolerable_loss");
	bool one = json_object_get(criterion, "metrics") == NULL && json_is_number(loss);
	char *lost, *limit, *text;

	if (json_is_true(json_object_get(best, "feasible"))) {
		return mem_dup("met");
	}
	if (!one && !json_is_number(misses)) {
		return mem_dup("missed");
	}
	lost = one ? job_loss(job, loss) : text_rough(100 * (1 + json_number_value(misses)));
	limit = job_loss(job, allowed);
	text = one ? mem_printf("missed: %s %s where %s%s is %s",
				job_is_lost(loss) ? "loses" : "gains", lost,
				job_is_lost(allowed) ? "" : "a gain of ", limit,
				job_is_lost(allowed) ? "allowed" : "asked for")
		   : mem_printf("missed: loses %s %% of what may be lost", lost);
	free(lost);
	free(limit);
	return text;
}

/* How the operators are that had a choice, and how many had none. */
static void add_operators(struct cli *cli, struct table *table, json_t *all)
{
	int64_t others;
	json_t *ops = lowerable_ops(cli, all, &others);
	char *common = common_text(ops);

	table_pair(table, "operators", best_modes(ops));
	add_names(table, ops);
	if (common != NULL) {
		table_pair(table, "all of them", common);
	}
	if (others > 0) {
		table_pair(table, "besides",
			   mem_printf("%lld that cannot be lowered", (long long)others));
	} else if (others < 0) {
		table_pair(table, "of them",
			   mem_dup("some may have no choice: the job's space cannot be read"));
	}
	json_decref(ops);
}

static void print_best(struct cli *cli, const json_t *job, const json_t *best)
{
	json_t *ops = json_object_get(json_object_get(best, "config"), "ops");
	char *verdict = job_verdict(best);
	struct table table;

	table_init(&table, "ll", NULL);
	table_pair(&table, "trial", text_number(json_object_get(best, "trial")));
	table_pair(&table, "criterion", met_text(job, best));
	table_pair(&table, "", job_criterion(job, best));
	table_pair(&table, "accuracy", accuracy_text(job, best));
	table_pair(&table, "objective", objective_text(job, best));
	add_metrics(&table, job, best);
	if (json_is_object(ops)) {
		add_operators(cli, &table, ops);
	}
	table_print(&table);
	table_finish(&table);
	if (verdict != NULL) {
		printf("\n%s\n", verdict);
	}
	free(verdict);
}

static char *best_path(const struct cli *cli, const char *loss)
{
	char *escaped = loss != NULL ? client_escape(loss) : NULL;
	char *query = loss != NULL ? mem_printf("/best?tolerable_loss=%s", escaped) : NULL;
	char *path = cli_job_path(cli, query != NULL ? query : "/best");

	free(escaped);
	free(query);
	return path;
}

/* Another loss than the job's is tolerable: its own bound says nothing, and neither does its end. */
static enum cli_exit expect_other(json_t *job, const json_t *best, bool ok_keep)
{
	json_t *criterion = json_object_get(job, "criterion");
	json_t *metric = json_object_get(best, "objective");

	if (json_is_string(metric)) { /* the one that decides where so much may be lost */
		(void)json_object_set_new(job, "objective", json_pack("[{s:O}]", "metric", metric));
	}
	(void)json_object_set(criterion, "tolerable_loss", json_object_get(best, "tolerable_loss"));
	(void)json_object_set_new(criterion, "bound", json_null());
	if (!json_is_true(json_object_get(best, "feasible"))) {
		return CLI_NOT_MET;
	}
	return json_is_true(json_object_get(best, "keep_baseline")) && !ok_keep ? CLI_KEEP : CLI_OK;
}

enum cli_exit best_show(struct cli *cli)
{
	const char *loss = cli->options[OPTION_TOLERABLE_LOSS];
	bool ok_keep = cli->options[OPTION_OK_KEEP] != NULL;
	char *path = best_path(cli, loss);
	json_t *job, *best = NULL;
	/* Its own document says whether it has ended, and what the baseline was. */
	enum cli_exit code = cli_get_job(cli, "", &job);

	if (code == CLI_OK) {
		code = cli_ask(cli, "GET", path, NULL, &best);
	}
	if (code == CLI_OK && loss != NULL && best != NULL) {
		code = expect_other(job, best, ok_keep);
	} else if (code == CLI_OK && loss == NULL && job_is_final(job)) {
		code = job_exit(job, ok_keep);
	}
	if (best != NULL) {
		print_best(cli, job, best);
		if (loss != NULL) {
			char *start = job_start(job);

			printf("Chosen by what was measured, once or more. To search on and "
			       "measure again: narrow clone %s --warm-start --set "
			       "accuracy_criterion.tolerable_loss=%s%s\n",
			       json_string_value(json_object_get(job, "id")), loss, start);
			free(start);
		}
		if (loss == NULL && job_is_met(job)) {
			rival_print(cli, job);
		}
	}
	json_decref(job);
	json_decref(best);
	free(path);
	return code;
}
