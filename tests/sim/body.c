/* What clients submit: jobs of all kinds, small enough to end soon. */
#include <stdio.h>
#include <string.h>

#include "tests/sim/world.h"

static json_t *make_capability(struct world *world)
{
	static const char *const options[] = {
		"{\"static\": {\"weight\": {\"dtype\": [\"int8\"]}}}",
		"{\"static\": {\"weight\": {\"dtype\": [\"int8\"], \"granularity\": "
		"[\"per_channel\", \"per_tensor\"]}}}",
		"{\"static\": {\"weight\": {\"dtype\": [\"int8\"]}, \"activation\": {\"dtype\": "
		"[\"uint8\"], \"algorithm\": [\"minmax\", \"kl\"]}}, \"dynamic\": {\"weight\": "
		"{\"dtype\": [\"int8\"]}}}",
	};
	json_t *ops = json_array();
	int64_t count = draw_in(world, 1, 5);

	for (int64_t i = 0; i < count; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "op%lld", (long long)i);
		(void)json_array_append_new(ops, json_pack("{s:s, s:s}", "name", name, "type",
							   i % 2 == 0 ? "Conv" : "Linear"));
	}
	return json_pack("{s:[s, s, s], s:{s:o, s:o}, s:o}", "answers", "evaluate", "score:mse",
			 "score:mse_v2", "op_types", "Conv",
			 json_loads(options[draw(world, 3)], 0, NULL), "Linear",
			 json_loads(options[draw(world, 3)], 0, NULL), "ops", ops);
}

static json_t *make_evaluator(struct world *world, bool workers)
{
	size_t count = net_count(world->net);
	json_t *list;

	if (workers && draw(world, 2) == 0) {
		return json_pack("{s:s}", "pool", "gpus");
	}
	list = json_array();
	for (size_t i = 0; i < count; i++) {
		(void)json_array_append_new(
			list, json_pack("{s:s, s:I, s:I}", "url", net_url(world->net, i),
					"max_concurrency", (json_int_t)draw_in(world, 1, 3),
					"timeout_s", (json_int_t)draw_in(world, 30, 120)));
	}
	return list;
}

/* Learning strategies take long: they have few trials, and are few. */
static const char *choose_strategy(struct world *world, int64_t *ret_trials)
{
	static const char *const cheap[] = {"basic",  "conservative", "exhaustive",
					    "random", "mse",          "mse_v2"};
	static const char *const learning[] = {"tpe", "sgp", "bayesian"};
	static const char *const scored[] = {"sgp", "knapsack", "bisect"};

	bool learns = draw(world, 20) == 0;

	*ret_trials = draw_in(world, 1, learns || world->reports ? 12 : 25);
	if (world->reports) {
		return scored[draw(world, 3)];
	}
	if (learns && !world->plain) {
		return learning[draw(world, 3)];
	}
	return draw(world, 10) == 0 ? "remote" : cheap[draw(world, 6)];
}

json_t *body_config(uint64_t number, int64_t operators)
{
	json_t *ops = json_object();

	for (int64_t i = 0; i < operators; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "op%lld", (long long)i);
		if ((number >> i & 1) != 0) {
			(void)json_object_set_new(ops, name, json_pack("{s:s}", "mode", "fp32"));
		}
	}
	return json_pack("{s:o}", "ops", ops);
}

/* Whether one of so many has it. */
static bool some(struct world *world, uint64_t of)
{
	return draw(world, of) == 0;
}

/* What may be lost, of what. */
static void add_accuracy(struct world *world, json_t *body)
{
	static const struct {
		const char *criterion, *args;
	} kinds[] = {
		{"{\"criterion\": \"absolute\", \"tolerable_loss\": 0.006}", "{}"},
		{"{\"tolerable_loss\": 0}", "{}"},
		{"{\"higher_is_better\": false, \"tolerable_loss\": 0.1}", "{\"error\": true}"},
		{"{\"metrics\": [{\"name\": \"top1\"}, {\"name\": \"top5\", \"tolerable_loss\": "
		 "0.005}]}",
		 "{\"several\": true}"},
		{"{\"metrics\": [{\"name\": \"top1\", \"weight\": 3}, {\"name\": \"top5\", "
		 "\"weight\": 1}]}",
		 "{\"several\": true}"},
	};
	uint64_t kind = draw(world, 10);

	if (kind < 5) {
		(void)json_object_set_new(body, "accuracy_criterion",
					  json_loads(kinds[kind].criterion, 0, NULL));
		(void)json_object_set_new(body, "evaluator_args",
					  json_loads(kinds[kind].args, 0, NULL));
	}
}

/* What is to get better. */
static void add_objective(struct world *world, json_t *tuning)
{
	static const char *const objectives[] = {
		"\"model_size_bytes\"",
		"\"accuracy\"",
		"[\"latency_ms\", \"model_size_bytes\"]",
		"[{\"metric\": \"latency_ms\", \"weight\": 0.7}, {\"metric\": \"accuracy\", "
		"\"weight\": 0.3}]",
	};

	if (some(world, 3)) {
		(void)json_object_set_new(
			tuning, "objective",
			json_loads(objectives[draw(world, 4)], JSON_DECODE_ANY, NULL));
	}
}

/* What is rarely said. */
static void add_rare(struct world *world, json_t *body)
{
	json_t *tuning = json_object_get(body, "tuning_criterion");

	if (some(world, 8)) {
		(void)json_object_set_new(tuning, "timeout",
					  json_integer(draw_in(world, 10, 3600)));
	}
	if (some(world, 8)) {
		(void)json_object_set_new(body, "max_question_s",
					  json_integer(draw_in(world, 5, 300)));
	}
	if (some(world, 8)) {
		(void)json_object_set_new(body, "busy_s", json_integer(draw_in(world, 60, 3600)));
	}
	if (some(world, 8)) {
		(void)json_object_set_new(body, "min_gain", json_real(0.5 * draw_unit(world)));
	}
	if (some(world, 8)) {
		(void)json_object_set_new(body, "confirm_max", json_integer(draw_in(world, 2, 4)));
	}
	if (some(world, 8)) {
		(void)json_object_set_new(body, "ranking",
					  json_pack("{s:{s:i}}", "subset", "images", 50));
	}
	if (some(world, 8) && json_integer_value(json_object_get(body, "confirm")) > 0) {
		(void)json_object_set_new(body, "acceptance",
					  json_pack("{s:{s:s}}", "subset", "split", "fresh"));
	}
	if (world->has[FAULT_EARLY] && some(world, 2)) {
		(void)json_object_set_new(body, "early_verdict",
					  json_pack("{s:f}", "error_probability", 0.01));
	}
}

json_t *body_make(struct world *world, bool workers, json_t *capability)
{
	static const char *const stops[] = {"first_feasible", "budget", "first_gain"};
	int64_t trials;
	const char *strategy = choose_strategy(world, &trials);
	json_t *tuning = json_pack("{s:s, s:I, s:s}", "strategy", strategy, "max_trials",
				   (json_int_t)trials, "stop_on", stops[draw(world, 3)]);
	json_t *body =
		json_pack("{s:o, s:o, s:o, s:I, s:{s:I}, s:I, s:I, s:I, s:b}", "capability",
			  capability != NULL ? json_incref(capability) : make_capability(world),
			  "evaluator", make_evaluator(world, workers), "tuning_criterion", tuning,
			  "parallel", (json_int_t)draw_in(world, 1, 4), "retry", "max_attempts",
			  (json_int_t)draw_in(world, 1, 4), "max_failed_trials",
			  (json_int_t)(draw(world, 4) == 0 ? 2 : 1000), "confirm",
			  (json_int_t)draw_in(world, 0, 2), "seed", (json_int_t)draw(world, 1000),
			  "deterministic", (int)draw(world, 2));

	if (strcmp(strategy, "remote") == 0) {
		(void)json_object_set_new(
			tuning, "strategy_kwargs",
			json_pack("{s:s, s:i}", "url", ADVISER_URL, "timeout_s", 60));
	}
	add_accuracy(world, body);
	add_objective(world, tuning);
	add_rare(world, body);
	return body;
}
