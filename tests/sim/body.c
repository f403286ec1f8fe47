/* What clients submit: jobs of all kinds, small enough to end soon. */
#include <stdio.h>

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

	if (draw(world, 20) == 0) {
		*ret_trials = draw_in(world, 1, 12);
		return learning[draw(world, 3)];
	}
	*ret_trials = draw_in(world, 1, 25);
	return cheap[draw(world, 6)];
}

json_t *body_make(struct world *world, bool workers)
{
	static const char *const stops[] = {"first_feasible", "budget", "first_gain"};
	int64_t trials;
	const char *strategy = choose_strategy(world, &trials);
	json_t *body = json_pack(
		"{s:o, s:o, s:{s:s, s:I, s:s}, s:I, s:{s:I}, s:I, s:I, s:I, s:b}", "capability",
		make_capability(world), "evaluator", make_evaluator(world, workers),
		"tuning_criterion", "strategy", strategy, "max_trials", (json_int_t)trials,
		"stop_on", stops[draw(world, 3)], "parallel", (json_int_t)draw_in(world, 1, 4),
		"retry", "max_attempts", (json_int_t)draw_in(world, 1, 4), "max_failed_trials",
		(json_int_t)(draw(world, 4) == 0 ? 2 : 1000), "confirm",
		(json_int_t)draw_in(world, 0, 2), "seed", (json_int_t)draw(world, 1000),
		"deterministic", (int)draw(world, 2));

	if (draw(world, 8) == 0) {
		(void)json_object_set_new(json_object_get(body, "tuning_criterion"), "timeout",
					  json_integer(draw_in(world, 10, 3600)));
	}
	if (draw(world, 8) == 0) {
		(void)json_object_set_new(body, "max_question_s",
					  json_integer(draw_in(world, 5, 300)));
	}
	if (draw(world, 8) == 0) {
		(void)json_object_set_new(body, "busy_s", json_integer(draw_in(world, 60, 3600)));
	}
	return body;
}
