/* Scores that are told to a strategy while it searches: what it would have asked had it known them, and better searches. */
#include <criterion/criterion.h>
#include <string.h>

#include "qp1_kit.h"

enum { OPS = 24 };

static const char *const users[] = {"sgp", "knapsack", "bisect"};
static const struct qp1_hints unscored = {.latencies = true, .scores = QP1_UNSCORED};

static void tell_scores(struct search *search, const struct space *told)
{
	const struct event event = {.type = EVENT_TOLD, .kind = QUESTION_SCORE, .space = told};

	strategy_apply(&search->strategy, &event);
}

static void expect_same(const struct search *a, const struct search *b, const char *name)
{
	cr_assert_eq(a->asked_count, b->asked_count, "%s", name);
	for (size_t i = 0; i < a->asked_count; i++) {
		cr_assert(config_equal(a->asked[i].config, b->asked[i].config), "%s, trial %zu",
			  name, i + 1);
		cr_assert_str_eq(a->asked[i].stage, b->asked[i].stage);
	}
}

static struct space *scored(enum qp1_scores scores)
{
	const struct qp1_hints hints = {.latencies = true, .scores = scores};

	return qp1_space(&kit_qp1, &hints);
}

/* Whoever is told at once asks as one whose capability has told it. */
Test(told, at_once_is_as_if_it_had_been_known)
{
	kit_qp1_init(OPS, 71, &unscored);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		struct space *with = scored(QP1_HESSIAN);
		struct search late, early;

		search_init(&late, kit_qp1_space, users[i], 1, NULL);
		tell_scores(&late, with);
		search_run(&late, 20, kit_qp1_evaluate);
		search_init(&early, with, users[i], 1, NULL);
		search_run(&early, 20, kit_qp1_evaluate);
		expect_same(&late, &early, users[i]);
		search_finish(&late);
		search_finish(&early);
		space_destroy(with);
	}
	kit_qp1_finish();
}

/* How a search of so many trials ends that is told scores after some of them; SIZE_MAX: never. */
static double ends_at(const char *strategy, uint64_t seed, size_t told_after)
{
	struct search search;
	struct space *with;
	double best;

	kit_qp1_init(OPS, seed, &unscored);
	with = scored(QP1_HESSIAN);
	search_init(&search, kit_qp1_space, strategy, seed, NULL);
	for (size_t i = 0; i < 12; i++) {
		if (i == told_after) {
			tell_scores(&search, with);
		}
		search_run(&search, 1, kit_qp1_evaluate);
	}
	best = search.best;
	search_finish(&search);
	space_destroy(with);
	kit_qp1_finish();
	return best;
}

Test(told, after_some_trials_it_helps)
{
	static const char *const names[] = {"sgp", "knapsack"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		double told = 0, never = 0;

		for (uint64_t seed = 71; seed < 77; seed++) {
			told += ends_at(names[i], seed, 5);
			never += ends_at(names[i], seed, SIZE_MAX);
		}
		cr_expect_lt(told, never, "%s: %g and %g", names[i], told / 6, never / 6);
	}
}

/* The newest count, and what an evaluator answers later says nothing any more. */
Test(told, the_last_word_counts)
{
	uint32_t op = 0;
	double other = 1;

	kit_qp1_init(OPS, 72, &unscored);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		struct space *good = scored(QP1_HESSIAN), *weak = scored(QP1_WEAK);
		struct event answer = {.type = EVENT_TOLD,
				       .kind = QUESTION_SCORE,
				       .trial = 99,
				       .ops = &op,
				       .op_count = 1,
				       .scores = &other};
		struct search twice, once;

		search_init(&twice, kit_qp1_space, users[i], 1, NULL);
		tell_scores(&twice, weak);
		tell_scores(&twice, good);
		strategy_apply(&twice.strategy, &answer);
		search_run(&twice, 8, kit_qp1_evaluate);
		search_init(&once, kit_qp1_space, users[i], 1, NULL);
		tell_scores(&once, good);
		search_run(&once, 8, kit_qp1_evaluate);
		expect_same(&twice, &once, users[i]);
		search_finish(&twice);
		search_finish(&once);
		space_destroy(good);
		space_destroy(weak);
	}
	kit_qp1_finish();
}

/* Budgets that were bisected by other expectations say nothing: it goes on from the default's loss alone. */
Test(told, knapsack_begins_its_budgets_anew)
{

	for (uint64_t seed = 71; seed < 75; seed++) {
		struct search late, early;
		struct space *with;

		kit_qp1_init(OPS, seed, &unscored);
		with = scored(QP1_HESSIAN);
		search_init(&late, kit_qp1_space, "knapsack", 1, NULL);
		search_run(&late, 5, kit_qp1_evaluate);
		tell_scores(&late, with);
		search_init(&early, with, "knapsack", 1, NULL);
		search_run(&early, 1, kit_qp1_evaluate);
		cr_assert(search_ask(&late));
		cr_assert(search_ask(&early));
		cr_expect(config_equal(late.asked[5].config, early.asked[1].config), "seed %d",
			  (int)seed);
		search_finish(&late);
		search_finish(&early);
		space_destroy(with);
		kit_qp1_finish();
	}
}
