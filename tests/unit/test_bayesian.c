/* bayesian: what its processes predict, and that the search finds what matters. */
#include <criterion/criterion.h>
#include <math.h>

#include "search_kit.h"
#include "space_kit.h"
#include "strategies/models/gp.h"

static const struct objective no_objective;

static struct space *space_of(size_t count)
{
	static const char *const modes = "static a.scheme=x,y; bf16; fp32";
	static const struct kit_op all[] = {{"a", "Conv2d", modes}, {"b", "Conv2d", modes},
					    {"c", "Linear", modes}, {"d", "Conv2d", modes},
					    {"e", "Conv2d", modes}, {"f", "Linear", modes},
					    {"g", "Conv2d", modes}, {"h", "Conv2d", modes}};
	struct kit_op ops[9] = {0};
	struct err err;
	struct space *space;

	for (size_t i = 0; i < count; i++) {
		ops[i] = all[i];
	}
	space = kit_space(ops, &(struct kit_request){.sizes = 3}, &err);
	cr_assert_not_null(space, "%s", err.message);
	return space;
}

/* Config i of the product, told with the objective values[i]. */
static void tell_all(struct trials *trials, struct config **configs, const double *values,
		     size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct event event = {.type = EVENT_TOLD,
				      .kind = QUESTION_EVALUATE,
				      .feasible = true,
				      .objective = values[i]};

		event.config = configs[i] = product_at(&trials->product, i * 7);
		cr_assert_eq(trials_apply(trials, &event), (int)i);
	}
}

/* Known points come out as they went in, with little doubt; far away the mean is believed. */
Test(bayesian, a_process_goes_through_what_it_knows)
{
	enum { COUNT = 6 };
	static const double values[COUNT] = {3, 1, 4, 1, 5, 9};
	static const size_t rows[COUNT] = {0, 1, 2, 3, 4, 5};
	struct space *space = space_of(4);
	struct config *configs[COUNT];
	struct trials trials;
	struct gp_data data = {&trials, rows, values, COUNT, COUNT};
	struct distance distance;
	double far[COUNT];
	struct gp gp;
	struct gp_fit fit;

	trials_init(&trials, &(struct problem){.space = space, .objective = &no_objective}, true);
	tell_all(&trials, configs, values, COUNT);
	distance_init(&distance, &trials);
	for (int matern = 0; matern < 2; matern++) {
		gp_init(&gp, &distance, matern > 0);
		for (size_t g = 0; g < gp.group_count; g++) {
			gp.logs[g] = 3;
		}
		gp_fit_init(&fit, &gp, &data);
		for (size_t i = 0; i < COUNT; i++) {
			uint16_t digits[5];
			double mean, deviation;

			cr_assert(product_digits(&trials.product, configs[i], digits));
			gp_fit_place(&fit, digits, far);
			gp_fit_predict(&fit, far, 1, &mean, &deviation);
			cr_expect_float_eq(mean, values[i], 0.05, "%g", mean);
			cr_expect_lt(deviation, 0.3);
			for (size_t d = 1; d <= 2; d++) {
				gp_fit_move(&fit, d, digits[d], (digits[d] + 2) % 4, far);
			}
			gp_fit_predict(&fit, far, 1, &mean, &deviation);
			cr_expect_gt(deviation, 1);
		}
		gp_fit_finish(&fit);
		gp_finish(&gp);
	}
	distance_finish(&distance);
	trials_finish(&trials);
	for (size_t i = 0; i < COUNT; i++) {
		config_destroy(configs[i]);
	}
	space_destroy(space);
}

/* Only the operator that is the slowest matters much, and the search finds what suits it. */
static void some_matter(const uint16_t *choices, size_t count, struct search_result *ret)
{
	double objective = 0.1, margin = 1;

	for (size_t i = 0; i < count; i++) {
		objective += choices[i] == (i * 5) % 3 ? 0 : 0.8 / (double)(count * (1 + i % 3));
		margin -= choices[i] == 1 ? 0.4 : 0;
	}
	*ret = (struct search_result){.margin = margin, .objective = objective};
}

static const struct search_setting with_fallback[] = {
	{.name = "fallback", .number = 1}, {.name = "acquisition", .text = "ei"}, {.name = NULL}};
static const struct search_setting ucb[] = {{.name = "fallback", .number = 1},
					    {.name = "acquisition", .text = "ucb"},
					    {.name = "kernel", .text = "exponential"},
					    {.name = NULL}};

static size_t asked_of(const struct search_setting *settings)
{
	struct space *space = space_of(2);
	struct search search;
	size_t count;

	search_init(&search, space, "bayesian", 1, settings);
	search_run(&search, 100, some_matter);
	count = search.asked_count;
	search_finish(&search);
	space_destroy(space);
	return count;
}

/* 2 x 2 schemes x 3 sizes without fallback; 4 x 4 x 3 with it, of which the baseline is known. */
Test(bayesian, asks_everything_once_and_ends)
{
	cr_expect_eq(asked_of(NULL), 12);
	cr_expect_eq(asked_of(with_fallback), 47);
	cr_expect_eq(asked_of(ucb), 47);
}

static double best_of(const char *strategy, const struct search_setting *settings, uint64_t seed)
{
	struct space *space = space_of(8);
	struct search search;
	double best;

	search_init(&search, space, strategy, seed, settings);
	search_run(&search, 40, some_matter);
	best = search.best;
	search_finish(&search);
	space_destroy(space);
	return best;
}

Test(bayesian, learns)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		double best = best_of("bayesian", with_fallback, seed);

		cr_expect_lt(best, best_of("random", NULL, seed) - 0.05);
		cr_expect_lt(best, 0.2, "%g", best);
	}
}

/* Five questions at once: each differs from those that are out, which are believed. */
Test(bayesian, asks_several_at_once)
{
	struct space *space = space_of(3);
	struct search search;

	search_init(&search, space, "bayesian", 1, with_fallback);
	for (size_t round = 0; round < 5; round++) {
		for (size_t i = 0; i < 5; i++) {
			cr_assert(search_ask(&search));
		}
		for (size_t i = 0; i < 5; i++) {
			search_tell(&search, round * 5 + i + 1, some_matter);
		}
	}
	search_finish(&search);
	space_destroy(space);
}
