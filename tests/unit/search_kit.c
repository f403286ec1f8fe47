/* Runs a strategy on a function in C. */
#include "search_kit.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { TWICE_EVERY = 3 };

static struct args arguments(const struct strategy_ops *ops, const struct search_setting *settings)
{
	struct args args;

	args_init(&args, ops->params);
	for (; settings != NULL && settings->name != NULL; settings++) {
		size_t i = 0;

		while (strcmp(ops->params[i].name, settings->name) != 0) {
			i++;
		}
		args.numbers[i] = settings->number;
		args.texts[i] = settings->text;
	}
	return args;
}

static void begin(struct search *search, struct space *space, const char *strategy, uint64_t seed,
		  const struct search_setting *settings, bool open)
{
	const struct strategy_ops *ops = strategy_find(strategy);
	const struct event baseline = {.type = EVENT_TOLD,
				       .kind = QUESTION_BASELINE,
				       .feasible = true,
				       .merit = 1,
				       .margin = 1,
				       .objective = 1};
	struct args args = arguments(ops, settings);
	struct err err;

	memset(search, 0, sizeof(*search));
	search->space = space;
	search->best = 1;
	search->criterion.rules = search->objective.rules = 2;
	search->criterion.relative = true;
	search->criterion.metric_count = 1;
	search->criterion.metrics[0].higher_is_better = true;
	search->criterion.metrics[0].tolerable_loss = 0.01;
	cr_assert_eq(criterion_fix(&search->criterion, &baseline.merit, &err), 0);
	search->objective.count = 1;
	search->objective.metrics[0].weight = 1;
	search->weighed = (struct objective){.rules = 2, .count = 2};
	search->weighed.metrics[0] = (struct objective_metric){(char *)"accuracy", 1, true};
	search->weighed.metrics[1] = (struct objective_metric){(char *)"latency_ms", 1, false};
	search->problem = (struct problem){.space = space,
					   .criterion = &search->criterion,
					   .objective = &search->objective,
					   .seed = seed,
					   .parallel = 1,
					   .keep_searching = true,
					   .weighed = open ? &search->weighed : NULL};
	cr_assert_eq(strategy_init(&search->strategy, ops, &search->problem, &args, &err), 0);
	strategy_apply(&search->strategy, &baseline);
}

void search_init(struct search *search, struct space *space, const char *strategy, uint64_t seed,
		 const struct search_setting *settings)
{
	begin(search, space, strategy, seed, settings, false);
}

void search_init_open(struct search *search, struct space *space, const char *strategy,
		      uint64_t seed, const struct search_setting *settings)
{
	begin(search, space, strategy, seed, settings, true);
}

void search_finish(struct search *search)
{
	strategy_finish(&search->strategy);
	for (size_t i = 0; i < search->asked_count; i++) {
		question_finish(&search->asked[i]);
	}
	free(search->asked);
}

bool search_ask(struct search *search)
{
	struct question question, again;
	struct event event = {.type = EVENT_ASKED, .kind = QUESTION_EVALUATE};

	if (strategy_next(&search->strategy, &question) != STEP_ASK) {
		return false;
	}
	if (search->asked_count % TWICE_EVERY == 0) {
		cr_assert_eq(strategy_next(&search->strategy, &again), STEP_ASK);
		cr_assert(config_equal(question.config, again.config));
		question_finish(&again);
	}
	for (size_t i = 0; i < search->asked_count; i++) {
		cr_assert(question.again || !config_equal(search->asked[i].config, question.config),
			  "trial %zu is trial %zu again", search->asked_count + 1, i + 1);
	}
	search->asked = mem_grow(search->asked, search->asked_count + 1, sizeof(*search->asked));
	search->asked[search->asked_count++] = question;
	event.trial = (int64_t)search->asked_count;
	event.config = question.config;
	strategy_apply(&search->strategy, &event);
	return true;
}

void search_tell(struct search *search, size_t number, search_evaluate *evaluate)
{
	struct config *config = search->asked[number - 1].config;
	size_t count = search->space->dimension_count;
	uint16_t *choices = mem_new(count, sizeof(*choices));
	struct event event = {.type = EVENT_TOLD,
			      .kind = QUESTION_EVALUATE,
			      .trial = (int64_t)number,
			      .config = config};
	struct search_result result = {.failed = false};

	for (size_t i = 0; i + 1 < number; i++) {
		result.repeat += config_equal(search->asked[i].config, config);
	}
	config_expand(config, search->space, choices);
	evaluate(choices, count, &result);
	free(choices);
	if (result.failed) {
		event.type = EVENT_FAILED;
		strategy_apply(&search->strategy, &event);
		return;
	}
	event.margin = result.margin;
	event.merit = 1 - 0.01 * (1 - result.margin);
	event.objective = result.objective;
	event.feasible = result.margin >= 0;
	if (event.feasible && result.objective < search->best) {
		search->best = result.objective;
	}
	strategy_apply(&search->strategy, &event);
}

void search_run(struct search *search, size_t count, search_evaluate *evaluate)
{
	for (size_t i = 0; i < count && search_ask(search); i++) {
		search_tell(search, search->asked_count, evaluate);
	}
}

void search_replay(struct search *search, const struct search *other, search_evaluate *evaluate)
{
	for (size_t i = 0; i < other->asked_count; i++) {
		struct event asked = {
			.type = EVENT_ASKED, .kind = QUESTION_EVALUATE, .trial = (int64_t)i + 1};

		search->asked = mem_grow(search->asked, i + 1, sizeof(*search->asked));
		search->asked[search->asked_count++] =
			(struct question){.stage = other->asked[i].stage,
					  .config = config_copy(other->asked[i].config),
					  .again = other->asked[i].again};
		asked.config = search->asked[i].config;
		strategy_apply(&search->strategy, &asked);
		search_tell(search, i + 1, evaluate);
	}
}
