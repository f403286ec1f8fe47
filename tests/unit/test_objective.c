/*
 * strategies/interface/objective: which trial INC chooses among several objectives (objective.json).
 */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "strategies/interface/objective.h"

enum { TRIALS = 16 };

static const struct {
	const char *inc, *name;
} names[] = {
	{"Accuracy", "accuracy"},
	{"Model size (mb)", "model_size_bytes"},
	{"Duration (seconds)", "latency_ms"},
};

static char *our_name(const char *inc)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i].inc, inc) == 0) {
			return mem_dup(names[i].name);
		}
	}
	cr_assert_fail("an objective %s", inc);
	return NULL;
}

static void read_criterion(const json_t *c, struct criterion *ret)
{
	const json_t *directions = json_object_get(c, "metric_higher_is_better");
	const json_t *weights = json_object_get(c, "metric_weight");

	memset(ret, 0, sizeof(*ret));
	ret->relative = strcmp(json_string_value(json_object_get(c, "criterion")), "relative") == 0;
	ret->metric_count = json_array_size(directions);
	ret->weighted = json_is_array(weights);
	for (size_t i = 0; i < ret->metric_count; i++) {
		ret->metrics[i].tolerable_loss =
			json_number_value(json_object_get(c, "tolerable_loss"));
		ret->metrics[i].weight = json_number_value(json_array_get(weights, i));
		ret->metrics[i].higher_is_better =
			ret->metric_count > 1
				? json_is_true(json_array_get(directions, i))
				: json_is_true(json_object_get(c, "higher_is_better"));
	}
}

static void read_objective(const json_t *c, struct objective *ret)
{
	const json_t *list = json_object_get(c, "objectives");
	const json_t *directions = json_object_get(c, "objective_higher_is_better");
	const json_t *weights = json_object_get(c, "objective_weight");

	memset(ret, 0, sizeof(*ret));
	ret->count = json_array_size(list);
	for (size_t i = 0; i < ret->count; i++) {
		ret->metrics[i] = (struct objective_metric){
			.name = our_name(json_string_value(json_array_get(list, i))),
			.weight = json_is_array(weights)
					  ? json_number_value(json_array_get(weights, i))
					  : 1,
			.higher_is_better = json_is_true(json_array_get(directions, i)),
		};
	}
}

static void read_numbers(const json_t *value, double *ret)
{
	if (json_is_number(value)) {
		ret[0] = json_number_value(value);
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		ret[i] = json_number_value(json_array_get(value, i));
	}
}

struct numbers {
	double accuracy[LIMIT_METRICS], values[LIMIT_METRICS];
};

/* [accuracy, [objectives]]; what INC has as an objective "Accuracy" is the accuracy again. */
static struct objective_row read_row(const json_t *pair, struct numbers *numbers)
{
	read_numbers(json_array_get(pair, 0), numbers->accuracy);
	read_numbers(json_array_get(pair, 1), numbers->values);
	return (struct objective_row){numbers->accuracy, numbers->values, true};
}

static size_t choose(const json_t *c, int64_t rules)
{
	const json_t *trials = json_object_get(c, "trials");
	struct objective_row baseline, rows[TRIALS];
	struct numbers numbers[TRIALS + 1] = {0};
	struct criterion criterion;
	struct objective objective;
	double values[TRIALS];
	size_t best;

	read_criterion(c, &criterion);
	read_objective(c, &objective);
	criterion.rules = objective.rules = rules;
	baseline = read_row(json_object_get(c, "baseline"), &numbers[TRIALS]);
	cr_assert_eq(criterion_fix(&criterion, baseline.accuracy, NULL), 0);
	for (size_t i = 0; i < json_array_size(trials); i++) {
		rows[i] = read_row(json_array_get(trials, i), &numbers[i]);
		rows[i].feasible = criterion_meets(&criterion, rows[i].accuracy);
	}
	best = objective_choose(&objective, &criterion, &baseline, rows, json_array_size(trials),
				values);
	for (size_t i = 0; rules >= 2 && i < json_array_size(trials); i++) {
		cr_expect(!rows[i].feasible || values[i] >= values[best], "%zu is no better", i);
		cr_expect(values[i] >= 0 && values[i] <= 1);
	}
	objective_finish(&objective);
	return best;
}

Test(objective, chooses_as_inc_does)
{
	json_t *cases = json_load_file(GOLDEN_OBJECTIVE, 0, NULL);
	size_t i;
	json_t *c;

	cr_assert_geq(json_array_size(cases), 8);
	json_array_foreach(cases, i, c) {
		size_t expected = (size_t)json_integer_value(json_object_get(c, "best_index"));

		for (int64_t rules = 1; rules <= 2; rules++) {
			size_t got = choose(c, rules);

			cr_expect_eq(got, expected, "case %zu: %zu, not %zu", i, got, expected);
		}
	}
	json_decref(cases);
}

Test(objective, nothing_feasible_leaves_the_first)
{
	const struct criterion criterion = {.relative = true, .metric_count = 1};
	struct objective objective = {.count = 2};
	const double accuracy[] = {1}, fast[] = {1, 1}, slow[] = {2, 2};
	const struct objective_row baseline = {accuracy, slow, true};
	const struct objective_row rows[] = {{accuracy, slow, false}, {accuracy, fast, false}};
	double ignored[2];

	objective.metrics[0] = (struct objective_metric){mem_dup("latency_ms"), 1, false};
	objective.metrics[1] = (struct objective_metric){mem_dup("model_size_bytes"), 1, false};
	for (int64_t rules = 1; rules <= 2; rules++) {
		objective.rules = rules;
		cr_expect_eq(objective_choose(&objective, &criterion, &baseline, rows, 2, ignored),
			     0);
	}
	objective_finish(&objective);
}

/* Whatever signs metrics and baselines have: nothing that meets the criterion beats the choice in
 * every metric, and no miss is chosen. */
Test(objective, never_chooses_what_another_one_beats)
{
	const struct criterion criterion = {.rules = 2, .relative = true, .metric_count = 1};
	struct objective objective = {.rules = 2, .count = 2};
	const double accuracy[] = {1};
	double values[TRIALS][2], rank[TRIALS], zero[2];
	struct rng rng = rng_make(7, RNG_SEARCH, 0);

	objective.metrics[0] = (struct objective_metric){mem_dup("x"), 0.8, false};
	objective.metrics[1] = (struct objective_metric){mem_dup("y"), 0.2, true};
	for (int round = 0; round < 2000; round++) {
		double shift = (double)(round % 3) - 1;
		const struct objective_row baseline = {accuracy, zero, true};
		struct objective_row rows[TRIALS];
		size_t best;

		for (int k = 0; k < 2; k++) {
			zero[k] = round % 5 == 0 ? 0 : rng_unit(&rng) + shift;
		}
		for (size_t i = 0; i < TRIALS; i++) {
			values[i][0] = rng_unit(&rng) + shift;
			values[i][1] = rng_unit(&rng) - shift;
			rows[i] = (struct objective_row){accuracy, values[i], i % 4 != 0};
		}
		best = objective_choose(&objective, &criterion, &baseline, rows, TRIALS, rank);
		cr_assert(rows[best].feasible);
		for (size_t i = 0; i < TRIALS; i++) {
			bool beats =
				values[i][0] < values[best][0] && values[i][1] > values[best][1];
			double a = objective_value(&objective, values[i], zero);
			double b = objective_value(&objective, values[best], zero);

			cr_assert(!rows[i].feasible || !beats, "round %d", round);
			cr_assert(!beats || a < b, "round %d", round);
		}
	}
	objective_finish(&objective);
}
