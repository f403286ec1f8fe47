/*
 * Configs that cannot be run: a failure is no verdict, so whatever strategy it is finds what meets
 * the criterion.
 */
#include <criterion/criterion.h>

#include "search_kit.h"
#include "space_kit.h"

enum { OPS = 12 };

/* What fails: the first so many trials, and configs with more operators in fp32 than that. */
static size_t first_fail, high_max;
static size_t evaluated;
static double losses[OPS];

static void evaluate(const uint16_t *choices, size_t count, struct search_result *ret)
{
	double loss = 0;
	size_t high = 0;

	(void)count;
	for (int i = 0; i < OPS; i++) {
		high += choices[i] == 1;
		loss += choices[i] == 0 ? losses[i] : 0;
	}
	*ret = (struct search_result){.margin = 1 - loss,
				      .objective = 0.5 + 0.03 * (double)high,
				      .failed = evaluated < first_fail || high > high_max};
	evaluated++;
}

/* The objective of the first gain within 40 questions, or that of the baseline, which is 1. */
static double search(const char *strategy, const struct search_setting *settings)
{
	static char names[OPS][2];
	struct kit_op ops[OPS + 1] = {0};
	struct search search;
	struct space *space;
	struct err err = {0};
	double best;

	for (int i = 0; i < OPS; i++) {
		names[i][0] = (char)('a' + i);
		ops[i] = (struct kit_op){names[i], "conv", "static a.scheme=sym; fp32"};
	}
	space = kit_space(ops, &(struct kit_request){0}, &err);
	cr_assert_not_null(space);
	evaluated = 0;
	search_init(&search, space, strategy, 1, settings);
	for (size_t i = 0; i < 40 && search.best >= 1; i++) {
		search_run(&search, 1, evaluate);
	}
	best = search.best;
	search_finish(&search);
	space_destroy(space);
	return best;
}

Test(unmeasured, the_first_questions_may_fail)
{
	static const struct search_setting with_fallback[] = {{.name = "fallback", .number = 1},
							      {.name = NULL}};
	static const struct {
		const char *name;
		const struct search_setting *settings;
	} list[] = {{"bisect", NULL},
		    {"knapsack", NULL},
		    {"sgp", NULL},
		    {"tpe", NULL},
		    {"bayesian", with_fallback}};

	for (int i = 0; i < OPS; i++) {
		losses[i] = i % 4 == 0 ? 0.5 : 0.04;
	}
	high_max = OPS;
	for (first_fail = 0; first_fail <= 3; first_fail++) {
		for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
			cr_expect_lt(search(list[i].name, list[i].settings), 1,
				     "%s, the first %zu fail", list[i].name, first_fail);
		}
	}
}

/* All operators lose the same: so many must be in fp32, and a few more are too many. */
Test(unmeasured, knapsack_goes_on_between_the_miss_and_the_failure)
{
	for (size_t needs = 5; needs < OPS; needs += 2) {
		for (int i = 0; i < OPS; i++) {
			losses[i] = 0.99 / (double)(OPS - needs);
		}
		for (high_max = needs; high_max <= OPS; high_max++) {
			cr_expect_lt(search("knapsack", NULL), 1, "%zu needed, %zu at most", needs,
				     high_max);
		}
	}
}
