/* Operators that have no kernel for a mode: who is to blame is found by halves, and the search goes on without. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "search_kit.h"
#include "space_kit.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

enum { OPS = 12, MOST_OPS = 120, MODES_MAX = 8 };

static const char *const learners[] = {"sgp", "tpe", "knapsack", "bayesian"};

static size_t op_count;
/* How many choices, from 0 on, of an operator fail. */
static uint16_t fails[MOST_OPS];
static bool nothing_runs; /* not even what has no culprit, once this is set */

/* Every operator takes half of its time in whatever is not its last choice, and loses little. */
static void evaluate(const uint16_t *choices, size_t count, struct search_result *ret)
{
	double lowered = 0;

	(void)count;
	ret->failed = nothing_runs;
	for (size_t i = 0; i < op_count; i++) {
		ret->failed = ret->failed || choices[i] < fails[i];
		lowered += choices[i] == 0 ? 1 : choices[i] == 1 ? 0.5 : 0;
	}
	ret->margin = 1 - 0.24 * lowered / (double)op_count;
	ret->objective = 1 - 0.5 * lowered / (double)op_count;
}

/* `types` operator types, one after the other, all with these modes. */
static struct space *space_of(size_t count, size_t types, const char *modes)
{
	struct kit_op *ops = mem_new(count + 1, sizeof(*ops));
	char(*names)[2][16] = mem_new(count, sizeof(*names));
	struct space *space;
	struct err err;

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(names[i][0], sizeof(names[i][0]), "op%zu", i);
		(void)snprintf(names[i][1], sizeof(names[i][1]), "Type%zu", i * types / count);
		ops[i] = (struct kit_op){names[i][0], names[i][1], modes};
	}
	space = kit_space(ops, &(struct kit_request){.approach = APPROACH_AUTO}, &err);
	cr_assert_not_null(space, "%s", err.message);
	free(names);
	free(ops);
	op_count = count;
	memset(fails, 0, sizeof(fails));
	nothing_runs = false;
	return space;
}

/* What a search came to. */
struct outcome {
	size_t trials, failed; /* until all was lowered that can be; until then */
	double best;
};

static bool is_told(const struct search *search, size_t i)
{
	uint16_t *choices = mem_new(search->space->dimension_count, sizeof(*choices));
	struct search_result result = {0};

	config_expand(search->asked[i].config, search->space, choices);
	evaluate(choices, search->space->dimension_count, &result);
	free(choices);
	return !result.failed;
}

static struct outcome search_of(struct space *space, const char *strategy, size_t trials)
{
	struct outcome outcome = {0};
	struct search search;
	double least = 1;

	for (size_t i = 0; i < op_count; i++) {
		double gain = fails[i] == 0 ? 0.5 : fails[i] == 1 ? 0.25 : 0;
		bool has_other = space_kind(space, i)->count > 2;

		least -= (fails[i] == 1 && !has_other ? 0 : gain) / (double)op_count;
	}
	search_init(&search, space, strategy, 1, NULL);
	for (size_t i = 0; i < trials && search.best > least + 1e-9; i++) {
		if (!search_ask(&search)) {
			break;
		}
		search_tell(&search, i + 1, evaluate);
		outcome.failed += !is_told(&search, i);
	}
	outcome.trials = search.asked_count;
	outcome.best = search.best - least;
	search_finish(&search);
	return outcome;
}

/* The default, one alone, and halves of eleven: then it is known and the default without it is asked. */
Test(culprit, one_is_found_by_halves_wherever_it_is)
{
	for (size_t bad = 0; bad < OPS; bad++) {
		for (size_t s = 0; s < COUNT(learners); s++) {
			struct space *space = space_of(OPS, 1, "static; fp32");
			struct outcome outcome;

			fails[bad] = 1;
			outcome = search_of(space, learners[s], 40);
			cr_expect_lt(outcome.best, 1e-9, "%s, operator %zu: %g", learners[s], bad,
				     outcome.best);
			cr_expect_leq(outcome.trials, 7, "%s, operator %zu: %zu trials",
				      learners[s], bad, outcome.trials);
			cr_expect_leq(outcome.failed, 6, "%s, operator %zu: %zu failed",
				      learners[s], bad, outcome.failed);
			space_destroy(space);
		}
	}
}

/* Any two: neighbours, of one type, of two types. The second one takes another default and other halves. */
Test(culprit, two_at_once_are_found)
{
	for (size_t types = 1; types <= 3; types++) {
		for (size_t a = 0; a < OPS; a++) {
			size_t b = (a + 1 + a % 3) % OPS;

			for (size_t s = 0; s < COUNT(learners); s++) {
				struct space *space = space_of(OPS, types, "static; fp32");
				struct outcome outcome;

				fails[a] = fails[b] = 1;
				outcome = search_of(space, learners[s], 40);
				cr_expect_lt(outcome.best, 1e-9, "%s, operators %zu and %zu: %g",
					     learners[s], a, b, outcome.best);
				cr_expect_leq(outcome.trials, 13, "%s, %zu, %zu: %zu trials",
					      learners[s], a, b, outcome.trials);
				cr_expect_leq(outcome.failed, 10, "%s, %zu, %zu: %zu failed",
					      learners[s], a, b, outcome.failed);
				space_destroy(space);
			}
		}
	}
}

/* 24 of 120 operators: one by one that would be more failures than a job may have. */
Test(culprit, a_type_without_a_kernel_is_found_as_a_whole)
{
	for (size_t bad = 0; bad < 5; bad++) {
		for (size_t s = 0; s < COUNT(learners); s++) {
			struct space *space = space_of(MOST_OPS, 5, "static; fp32");
			struct outcome outcome;

			for (size_t i = 0; i < 24; i++) {
				fails[24 * bad + i] = 1;
			}
			outcome = search_of(space, learners[s], 20);
			cr_expect_lt(outcome.best, 1e-9, "%s, type %zu: %g", learners[s], bad,
				     outcome.best);
			cr_expect_leq(outcome.failed, 8, "%s, type %zu: %zu failed", learners[s],
				      bad, outcome.failed);
			space_destroy(space);
		}
	}
}

/* What int8 static cannot do, dynamic can: the operator is still lowered. */
Test(culprit, another_mode_of_the_operator_is_still_tried)
{
	static const char *const names[] = {"sgp", "tpe", "knapsack"};

	for (size_t s = 0; s < COUNT(names); s++) {
		struct space *space = space_of(OPS, 1, "static; dynamic; fp32");
		struct outcome outcome;

		fails[4] = 1;
		outcome = search_of(space, names[s], 40);
		cr_expect_lt(outcome.best, 1e-9, "%s: %g", names[s], outcome.best);
		space_destroy(space);
	}
}

static const struct event *of_trial(struct event *event, const struct search *search, size_t trial,
				    enum event_type type)
{
	*event = (struct event){.type = type,
				.kind = QUESTION_EVALUATE,
				.trial = (int64_t)trial,
				.config = search->asked[trial - 1].config,
				.merit = 1,
				.margin = 0.9,
				.objective = 0.5,
				.feasible = true};
	return event;
}

/* When somebody has the failure measured again and it runs, nobody is to blame. */
Test(culprit, a_failure_that_was_measured_again_blames_nobody)
{
	for (size_t s = 0; s < COUNT(learners); s++) {
		struct space *space = space_of(OPS, 1, "static; fp32");
		struct search search;
		struct event event;

		search_init(&search, space, learners[s], 1, NULL);
		cr_assert(search_ask(&search));
		strategy_apply(&search.strategy, of_trial(&event, &search, 1, EVENT_FAILED));
		cr_assert(search_ask(&search));
		cr_expect_str_eq(search.asked[1].stage, "culprit", "%s", learners[s]);
		strategy_apply(&search.strategy, of_trial(&event, &search, 1, EVENT_TOLD));
		strategy_apply(&search.strategy, of_trial(&event, &search, 2, EVENT_TOLD));
		if (search_ask(&search)) {
			cr_expect_str_neq(search.asked[2].stage, "culprit", "%s", learners[s]);
		}
		search_finish(&search);
		space_destroy(space);
	}
}

/* Where everything fails no operator can be told from another, and it still ends or goes on asking what is new. */
Test(culprit, when_everything_fails_it_does_not_hang)
{
	for (size_t s = 0; s < COUNT(learners); s++) {
		struct space *space = space_of(3, 1, "static; fp32");
		struct search search;

		nothing_runs = true;
		search_init(&search, space, learners[s], 1, NULL);
		search_run(&search, 20, evaluate);
		cr_expect_leq(search.asked_count, 8, "%s: %zu", learners[s], search.asked_count);
		search_finish(&search);
		space_destroy(space);
	}
}

/* Nothing else is in the space than the config that is out: whether there is more to ask its failure says. */
Test(culprit, it_does_not_end_before_a_failure_is_in)
{
	static const char *const names[] = {"bayesian", "tpe", "sgp"};

	for (size_t s = 0; s < COUNT(names); s++) {
		bool small = strcmp(names[s], "bayesian") == 0;
		struct space *space = space_of(small ? OPS : 1, 1, "static; fp32");
		struct question question = {0};
		struct search search;
		struct event event;

		search_init(&search, space, names[s], 1, NULL);
		cr_assert(search_ask(&search));
		cr_expect_eq(strategy_next(&search.strategy, &question), STEP_WAIT, "%s", names[s]);
		question_finish(&question);
		strategy_apply(&search.strategy, of_trial(&event, &search, 1, EVENT_FAILED));
		cr_expect_eq(search_ask(&search), small, "%s", names[s]);
		search_finish(&search);
		space_destroy(space);
	}
}

/* With questions out at once a half and the other half are tested, then it waits. */
Test(culprit, both_halves_are_tested_at_once)
{
	for (size_t s = 0; s < COUNT(learners); s++) {
		bool one_at_a_time = strcmp(learners[s], "knapsack") == 0;
		struct space *space = space_of(4, 2, "static; fp32");
		struct search search;
		struct event event;
		struct question question = {0};

		search_init(&search, space, learners[s], 1, NULL);
		cr_assert(search_ask(&search));
		strategy_apply(&search.strategy, of_trial(&event, &search, 1, EVENT_FAILED));
		for (size_t i = 1; i < (one_at_a_time ? 2 : 3); i++) {
			cr_assert(search_ask(&search), "%s", learners[s]);
			cr_expect_str_eq(search.asked[i].stage, "culprit", "%s", learners[s]);
			cr_expect_eq(config_fallbacks(search.asked[i].config, space), 2);
		}
		cr_expect_eq(strategy_next(&search.strategy, &question), STEP_WAIT, "%s",
			     learners[s]);
		question_finish(&question);
		search_finish(&search);
		space_destroy(space);
	}
}
