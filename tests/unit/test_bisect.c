/*
 * bisect without scores, which goes from the last operator to the first: how many trials it needs
 * and what it ends with.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "base/rng.h"
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

/* Until sgp goes on; how many trials that takes. */
static size_t run_own(struct search *search, search_evaluate *measure)
{
	size_t count = 0;

	while (count < 100 && search_ask(search)) {
		const char *stage = search->asked[count].stage;

		if (strcmp(stage, "default") != 0 && strcmp(stage, "bisect") != 0 &&
		    strcmp(stage, "requantize") != 0) {
			break;
		}
		search_tell(search, ++count, measure);
	}
	return count;
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
	size_t asked;

	search_init(&search, space, "bisect", 1, NULL);
	asked = run_own(&search, evaluate);
	/* The default; 8, 4, 6, 5 operators; three attempts to quantize again. */
	cr_expect_eq(asked, 8, "%zu", asked);
	cr_expect_float_eq(search.best, 1 - 0.02 * (OPS - 2), 1e-9, "%g", search.best);
	search_finish(&search);
	space_destroy(space);
}

/* How many must be in fp32, and with which counts a config cannot be run; one bit each. */
static size_t needed;
static uint32_t broken;

static void evaluate_counts(const uint16_t *choices, size_t count, struct search_result *ret)
{
	size_t high = 0;

	(void)count;
	for (int i = 0; i < OPS; i++) {
		high += choices[i];
	}
	*ret = (struct search_result){.margin = high >= needed ? 0.5 : -1,
				      .objective = 0.5 + 0.02 * (double)high,
				      .failed = (broken >> high & 1) != 0};
}

static void expect_count(uint32_t fails, size_t needs, size_t expected, size_t trials_max)
{
	struct space *space = make_space();
	struct search search;
	size_t asked;

	broken = fails;
	needed = needs;
	search_init(&search, space, "bisect", 1, NULL);
	asked = run_own(&search, evaluate_counts);
	cr_expect_float_eq(search.best, 0.5 + 0.02 * (double)expected, 1e-9,
			   "%x fail, %zu needed: %g", fails, needs, search.best);
	cr_expect_leq(asked, trials_max, "%x fail, %zu needed: %zu trials", fails, needs, asked);
	search_finish(&search);
	space_destroy(space);
}

/* Those with many operators in fp32 need too much memory. */
Test(bisect, goes_on_below_what_cannot_be_run)
{
	const uint32_t all = (1U << (OPS + 1)) - 1;

	for (uint32_t limit = 1; limit <= OPS; limit++) {
		for (size_t needs = 1; needs < limit; needs++) {
			expect_count(all & ~((1U << limit) - 1), needs, needs, 30);
		}
	}
}

/* A failure says nothing of those around it: whatever can be run is found. */
Test(bisect, takes_no_failure_for_a_verdict)
{
	for (uint32_t seed = 1; seed <= 300; seed++) {
		uint32_t fails = (uint32_t)rng_mix(seed) & (uint32_t)rng_mix(seed + 1000);
		size_t needs = 1 + seed % OPS, least = needs;

		fails &= ~1U;
		while (least <= OPS && (fails >> least & 1) != 0) {
			least++;
		}
		if (least <= OPS) {
			struct space *space = make_space();
			struct search search;

			broken = fails;
			needed = needs;
			search_init(&search, space, "bisect", 1, NULL);
			(void)run_own(&search, evaluate_counts);
			cr_expect_lt(search.best, 1, "%x fail, %zu needed", fails, needs);
			search_finish(&search);
			space_destroy(space);
		}
	}
}

Test(bisect, ends_when_everything_fails)
{
	struct space *space = make_space();
	struct search search;
	size_t asked;

	broken = UINT32_MAX;
	search_init(&search, space, "bisect", 1, NULL);
	asked = run_own(&search, evaluate_counts);
	cr_expect_eq(asked, OPS + 1, "each number once: %zu", asked);
	search_finish(&search);
	space_destroy(space);
}

Test(bisect, ends_when_nothing_helps)
{
	struct space *space = make_space();
	struct search search;
	size_t asked;

	search_init(&search, space, "bisect", 1, NULL);
	asked = run_own(&search, evaluate_hopeless);
	cr_expect_eq(asked, 6, "%zu", asked); /* the default, 1 .. 16 */
	search_finish(&search);
	space_destroy(space);
}
