/*
 * bisect without scores, which goes from the last operator to the first: how many trials it needs
 * and what it ends with.
 */
#include <criterion/criterion.h>

#include "search_kit.h"
#include "space_kit.h"

enum { OPS = 16, NEEDED = 11, ALSO_NEEDED = OPS - 1 };

static struct space *make_space(void)
{
	static char names[OPS][4];
	struct kit_op ops[OPS + 1] = {0};
	struct err err = {0};
	struct space *space;

	for (int i = 0; i < OPS; i++) {
		names[i][0] = (char)('a' + i);
		ops[i] = (struct kit_op){names[i], "conv", "static a.scheme=sym; fp32"};
	}
	space = kit_space(ops, &(struct kit_request){0}, &err);
	cr_assert_not_null(space);
	return space;
}

/* Two operators must not be quantized; each that is saves a fiftieth. */
static void evaluate(const uint16_t *choices, size_t count, struct search_result *ret)
{
	(void)count;
	ret->margin = choices[NEEDED] == 1 && choices[ALSO_NEEDED] == 1 ? 0.5 : -1;
	ret->objective = 1;
	for (int i = 0; i < OPS; i++) {
		ret->objective -= choices[i] == 0 ? 0.02 : 0;
	}
}

static void evaluate_hopeless(const uint16_t *choices, size_t count, struct search_result *ret)
{
	(void)choices;
	(void)count;
	*ret = (struct search_result){.margin = -1, .objective = 1};
}

Test(bisect, finds_the_smallest_set)
{
	struct space *space = make_space();
	struct search search;

	search_init(&search, space, "bisect", 1, NULL);
	search_run(&search, 100, evaluate);
	/* The default; 1, 2, 4, 8, 6, 5 operators; three attempts to quantize again. */
	cr_expect_eq(search.asked_count, 10, "%zu", search.asked_count);
	cr_expect_float_eq(search.best, 1 - 0.02 * (OPS - 2), 1e-9, "%g", search.best);
	search_finish(&search);
	space_destroy(space);
}

Test(bisect, ends_when_nothing_helps)
{
	struct space *space = make_space();
	struct search search;

	search_init(&search, space, "bisect", 1, NULL);
	search_run(&search, 100, evaluate_hopeless);
	cr_expect_eq(search.asked_count, 6, "%zu", search.asked_count); /* the default, 1 .. 16 */
	search_finish(&search);
	space_destroy(space);
}
