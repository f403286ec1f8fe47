#include "api/resources.h"
#include "strategies/strategy.h"
#include "tuner/codec_config.h"

#include <stdlib.h>

enum { FIRST_CONFIGS = 10 };

/*
 * What a strategy would ask first: it is told a baseline of 1 and then only that its questions were
 * asked, until it wants results.
 */
static json_t *first_configs(struct spec *spec)
{
	static const double ones[LIMIT_METRICS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
	struct problem problem = {
		.space = spec->space,
		.criterion = &spec->criterion,
		.objective = &spec->objective,
		.seed = spec->seed,
		.parallel = FIRST_CONFIGS,
		.level = spec_level(spec),
		.answers = (const char *const *)spec->answers,
		.keep_searching = spec->keep_searching,
	};
	struct event told = {.type = EVENT_TOLD, .kind = QUESTION_BASELINE, .feasible = true};
	struct question asked[FIRST_CONFIGS];
	json_t *list = json_array();
	struct strategy strategy;
	struct err ignored;
	int count = 0;

	(void)criterion_fix(&spec->criterion, ones, &ignored);
	if (strategy_init(&strategy, spec->strategy, &problem, &spec->args, &ignored) != 0) {
		return list;
	}
	strategy_apply(&strategy, &told);
	while (count < FIRST_CONFIGS && strategy_next(&strategy, &asked[count]) == STEP_ASK) {
		struct question *question = &asked[count++];
		struct event event = {.type = EVENT_ASKED,
				      .trial = count,
				      .kind = question->kind,
				      .config = question->config,
				      .ops = question->ops,
				      .op_count = question->op_count};

		strategy_apply(&strategy, &event);
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:o}", "stage", question->stage, "kind",
					question_kind_names[question->kind], "config",
					codec_config_json(spec, question->config, true)));
	}
	strategy_finish(&strategy);
	while (count > 0) {
		question_finish(&asked[--count]);
	}
	return list;
}

static void on_prepared(void *arg, struct prepared *prepared, const struct err *err)
{
	struct call *call = arg;
	json_t *document;

	call->preparation = NULL;
	if (prepared == NULL) {
		call_fail(call, err);
		return;
	}
	document = codec_space_json(prepared->spec);
	(void)json_object_set_new(document, "first", first_configs(prepared->spec));
	prepared_destroy(prepared);
	call_reply_json(call, 200, document);
}

void spaces_dry_run(struct call *call)
{
	call->preparation = tuner_prepare(call->server->tuner, call->body, on_prepared, call);
}
