/* narrow why: puts together what the best config, the space, the trials and the sensitivity say of one operator. */
#include "cli/why.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/plural.h"
#include "cli/best.h"
#include "cli/text.h"

/* Trials that were measured. */
struct counts {
	size_t all, met;
};

static void count(void *arg, const json_t *trial)
{
	struct counts *counts = arg;

	counts->all++;
	counts->met += json_is_true(json_object_get(trial, "feasible")) &&
		       !json_is_object(json_object_get(trial, "rejected"));
}

static json_t *item_of(const json_t *items, const char *member, const char *name)
{
	size_t i;
	json_t *item;

	json_array_foreach(items, i, item) {
		const char *text = json_string_value(json_object_get(item, member));

		if (text != NULL && strcmp(text, name) == 0) {
			return item;
		}
	}
	return NULL;
}

static void print_change(const char *what, const json_t *change, const char *unit)
{
	if (json_is_number(change)) {
		printf("%s %+.4g%s", what, json_number_value(change), unit);
	}
}

/* What measuring it alone has shown, and what the evaluator scored. */
static void print_sensitivity(const json_t *op)
{
	const json_t *score = json_object_get(op, "score");

	if (json_is_integer(json_object_get(op, "trial"))) {
		char *precision = text_member(op, "precision");

		printf("Alone in %s (trial %lld against trial %lld):", precision,
		       (long long)json_integer_value(json_object_get(op, "trial")),
		       (long long)json_integer_value(json_object_get(op, "base")));
		free(precision);
		print_change(" accuracy", json_object_get(op, "accuracy_change"), "");
		print_change(", latency", json_object_get(op, "latency_change_ms"), " ms");
		printf(".\n");
	}
	if (json_is_number(score)) {
		char *method = text_member(op, "method");

		printf("Its score by %s is %.4g; higher suffers more.\n", method,
		       json_number_value(score));
		free(method);
	}
}

/* Whether an option of an operator is the one that the config has; beside what it is stands what is known of it. */
static bool is_chosen(json_t *option, const json_t *chosen)
{
	static const char *const known[] = {"score", "loss", "latency_change_ms"};
	const char *name;
	json_t *value;

	json_object_foreach(option, name, value) {
		bool is_known = false;

		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			is_known = is_known || strcmp(name, known[i]) == 0;
		}
		if (!is_known && !json_equal(value, json_object_get(chosen, name))) {
			return false;
		}
	}
	return true;
}

static double mean_of(const json_t *option, const char *belief)
{
	const json_t *mean = json_object_get(json_object_get(option, belief), "mean");

	return json_is_number(mean) ? json_number_value(mean) : NAN;
}

/* What the models believe of it as it is; nothing would be gained or lost by lowering it. */
static void print_lowered(const json_t *known, const json_t *chosen)
{
	json_t *option, *options = json_object_get(known, "options");
	double loss = NAN, change = NAN;
	size_t i;

	json_array_foreach(options, i, option) {
		if (is_chosen(option, chosen)) {
			loss = mean_of(option, "loss");
			change = mean_of(option, "latency_change_ms");
			break;
		}
	}
	printf("It is lowered already%s",
	       isnan(loss) ? "" : ": by a model of all measurements it ");
	if (loss > 0) {
		char *share = text_rough(100 * loss);

		printf("loses %s %% of what may be lost", share);
		free(share);
	} else if (!isnan(loss)) {
		printf("loses nothing");
	}
	if (!isnan(change)) {
		printf(" and %s %.2g ms", change > 0 ? "costs" : "saves", fabs(change));
	}
	printf(".%s\n",
	       isnan(loss) ? "" : " What counts is what was measured of the whole config.");
}

/* What lowering it would do, which is why it is as it is. */
static void print_belief(const json_t *known, const json_t *chosen, const char *mode)
{
	char *lowered = text_member(known, "lowered");

	if (!best_keeps(mode)) {
		print_lowered(known, chosen);
	} else if (strcmp(lowered, "-") != 0) {
		printf("By a model of all measurements %s.\n", lowered);
	}
	free(lowered);
}

static enum cli_exit print_trials(struct cli *cli, const char *name)
{
	char *escaped = client_escape(name);
	char *all_path = cli_job_path(cli, "/trials?state=told&kind=evaluate&limit=500");
	char *kept_path = mem_printf("%s&op.%s=fp32", all_path, escaped);
	struct counts all = {0}, kept = {0};
	enum cli_exit code = cli_each(cli, all_path, count, &all);

	if (code == CLI_OK) {
		code = cli_each(cli, kept_path, count, &kept);
	}
	if (code == CLI_OK) {
		printf("Not in fp32: %zu trial%s, of which %zu met the criterion. In fp32: %zu, of "
		       "which %zu did.\n",
		       all.all - kept.all, plural_s((long long)(all.all - kept.all)),
		       all.met - kept.met, kept.all, kept.met);
	}
	free(escaped);
	free(all_path);
	free(kept_path);
	return code;
}

/* What of the submission names an operator that has no choice left. */
static void print_no_choice(const json_t *space, const char *name, const json_t *op)
{
	const json_t *entry;
	size_t i;

	printf("It has no other choice: the capability, the approach, op_type_dict, op_name_dict "
	       "or a recipe leaves none.\n");
	json_array_foreach(json_object_get(space, "entries"), i, entry) {
		size_t k;
		json_t *matched;

		json_array_foreach(json_object_get(entry, "matched"), k, matched) {
			const char *text = json_string_value(matched);
			const char *type = json_string_value(json_object_get(op, "type"));

			if (text != NULL && (strcmp(text, name) == 0 ||
					     (type != NULL && strcmp(text, type) == 0))) {
				char *pointer = text_member(entry, "pointer");

				printf("%s is about it.\n", pointer);
				free(pointer);
			}
		}
	}
}

static enum cli_exit explain(struct cli *cli, const json_t *best, const json_t *space,
			     const json_t *known)
{
	const char *name = cli->second;
	const json_t *op = item_of(json_object_get(space, "ops"), "name", name);
	const json_t *chosen =
		json_object_get(json_object_get(json_object_get(best, "config"), "ops"), name);
	char *mode, *verdict, *leader;
	enum cli_exit code;

	if (op == NULL || chosen == NULL) {
		char *clean = text_clean(name);

		(void)fprintf(stderr, "narrow: the job has no operator \"%s\"\n", clean);
		free(clean);
		return CLI_REFUSED;
	}
	if (cli->options[OPTION_JSON] != NULL) {
		json_t *all = json_pack("{s:O, s:O, s:O*}", "best", chosen, "space", op,
					"sensitivity", known);

		cli_print_json(all);
		json_decref(all);
		return CLI_OK;
	}
	mode = text_member(chosen, "mode");
	verdict = text_member(best, "verdict");
	leader = text_member(op, "tied_to");
	printf("In the best config (trial %lld) it is in %s.\nThe job's verdict: %s\n",
	       (long long)json_integer_value(json_object_get(best, "trial")), mode, verdict);
	if (strcmp(leader, "-") != 0) {
		printf("It is tied to %s: there is one choice for both.\n", leader);
	}
	free(verdict);
	free(leader);
	if (json_integer_value(json_object_get(op, "choices")) <= 1) {
		print_no_choice(space, name, op);
		free(mode);
		return CLI_OK;
	}
	code = print_trials(cli, name);
	if (code == CLI_OK) {
		print_sensitivity(known);
		print_belief(known, chosen, mode);
	}
	free(mode);
	return code;
}

enum cli_exit why_run(struct cli *cli)
{
	json_t *best = NULL, *space = NULL, *sensitivity = NULL;
	enum cli_exit code = cli_get_job(cli, "/best", &best);

	if (code == CLI_OK) {
		code = cli_get_job(cli, "/space", &space);
	}
	if (code == CLI_OK) {
		code = cli_get_job(cli, "/sensitivity", &sensitivity);
	}
	if (code == CLI_OK) {
		const json_t *known =
			item_of(json_object_get(sensitivity, "items"), "op", cli->second);

		code = explain(cli, best, space, known);
	}
	json_decref(best);
	json_decref(space);
	json_decref(sensitivity);
	return code;
}
