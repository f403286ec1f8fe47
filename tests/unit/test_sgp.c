/* sgp and knapsack on the synthetic problem: what they promise, on seeds that nothing was tuned on. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "qp1_kit.h"
#include "strategies/models/repeats.h"
#include "strategies/registry.h"
#include "strategies/sgp_state.h"

struct outcome {
	size_t met_at; /* trial, from 1; SIZE_MAX */
	double best;
	size_t asked;
};

static struct outcome solve(const char *strategy, size_t n, uint64_t seed,
			    const struct qp1_hints *hints, size_t trials)
{
	struct outcome outcome = {.met_at = SIZE_MAX};
	struct search search;

	kit_qp1_init(n, seed, hints);
	search_init(&search, kit_qp1_space, strategy, seed, NULL);
	for (size_t i = 1; i <= trials && search_ask(&search); i++) {
		struct search_result result;
		uint16_t *choices = mem_new(kit_qp1_space->dimension_count, sizeof(*choices));

		config_expand(search.asked[i - 1].config, kit_qp1_space, choices);
		kit_qp1_evaluate(choices, kit_qp1_space->dimension_count, &result);
		if (result.margin >= 0 && outcome.met_at == SIZE_MAX) {
			outcome.met_at = i;
		}
		search_tell(&search, i, kit_qp1_evaluate);
		free(choices);
	}
	outcome.best = search.best;
	outcome.asked = search.asked_count;
	search_finish(&search);
	kit_qp1_finish();
	return outcome;
}

static int by_value(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

static size_t median_met_at(const char *strategy, const struct qp1_hints *hints)
{
	size_t met[9];

	for (uint64_t seed = 51; seed < 60; seed++) {
		met[seed - 51] = solve(strategy, 30, seed, hints, 8).met_at;
	}
	qsort(met, 9, sizeof(met[0]), by_value);
	return met[4];
}

Test(sgp, meets_the_criterion_in_a_handful_of_trials)
{
	static const struct qp1_hints nothing = {0},
				      good = {.latencies = true, .scores = QP1_HESSIAN};

	cr_expect_leq(median_met_at("sgp", &nothing), 3);
	cr_expect_leq(median_met_at("sgp", &good), 3);
	cr_expect_leq(median_met_at("knapsack", &good), 4);
}

/* Optima of seeds 1 and 2 are known. */
Test(sgp, comes_close_to_the_optimum)
{
	static const double optima[] = {0.367853, 0.480489};
	static const struct qp1_hints good = {.latencies = true, .scores = QP1_HESSIAN};

	for (uint64_t seed = 1; seed <= 2; seed++) {
		struct outcome outcome = solve("sgp", 30, seed, &good, 150);
		double optimum = optima[seed - 1];

		cr_expect_lt((outcome.best - optimum) / (1 - optimum), 0.03, "%g", outcome.best);
		cr_expect_lt(outcome.asked, 150, "it stops by itself");
	}
}

/* Measured, and off by a deviation of 0.3 of what may be lost. */
static void evaluate_noisily(const uint16_t *choices, size_t count, struct search_result *ret)
{
	uint16_t *options = mem_new(count, sizeof(*options));

	kit_qp1_evaluate(choices, count, ret);
	qp1_options(&kit_qp1, kit_qp1_space, choices, options);
	ret->margin += 0.3 * qp1_noise(&kit_qp1, options, ret->repeat);
	free(options);
}

/* What sgp hands over after 40 trials. */
struct handed_over {
	double lost;   /* truly, in units of what may be lost */
	double slower; /* than the fastest that was measured to meet the criterion, of the latter */
	size_t repeats;
};

static struct handed_over hand_over(uint64_t seed, search_evaluate *measure)
{
	struct handed_over result = {0};
	static const struct qp1_hints nothing = {0};
	struct search_result truth;
	struct search search;
	uint16_t choices[31];
	int64_t chosen;

	kit_qp1_init(30, seed, &nothing);
	search_init(&search, kit_qp1_space, "sgp", seed, NULL);
	search_run(&search, 40, measure);
	chosen = strategy_choice(&search.strategy);
	cr_assert_gt(chosen, 0);
	config_expand(search.asked[chosen - 1].config, kit_qp1_space, choices);
	kit_qp1_evaluate(choices, kit_qp1_space->dimension_count, &truth);
	result.lost = 1 - truth.margin;
	result.slower = truth.objective / search.best - 1;
	for (size_t i = 0; i < search.asked_count; i++) {
		result.repeats += search.asked[i].again;
	}
	search_finish(&search);
	kit_qp1_finish();
	return result;
}

/* Nobody says whether there is noise; without it nearly all that was found is handed over. */
Test(sgp, tells_noise_from_none)
{
	size_t best = 0, overruns = 0, repeats = 0;

	for (uint64_t seed = 61; seed <= 70; seed++) {
		struct handed_over result = hand_over(seed, kit_qp1_evaluate);

		cr_expect_leq(result.lost, 1, "seed %d", (int)seed);
		best += result.slower < 0.01;
		repeats += result.repeats;
	}
	for (uint64_t seed = 61; seed <= 80; seed++) {
		overruns += hand_over(seed, evaluate_noisily).lost > 1;
	}
	cr_expect_geq(best, 7, "%zu of 10 hand over the best", best);
	cr_expect_leq(overruns, 2, "%zu of 20 truly lose too much", overruns);
	cr_expect_leq(repeats, 10, "%zu repeats of what is exact", repeats);
}

/* What is asked for loses as much less than all that may be lost as eight measurements of one leave open: an eighth of the
 * square of their noise; 99 % are 2.33 deviations. */
Test(sgp, asks_for_what_can_be_proved)
{
	static const struct problem problem = {0};
	struct sgp sgp = {.problem = &problem, .noises = {[3] = 1}};

	cr_expect_eq(sgp_state_provable(&sgp), 1, "nothing has shown noise");
	sgp.beliefs.effects.noisy = true;
	cr_expect_float_eq(sgp_state_provable(&sgp), 1 - 2.326 * 0.3 / sqrt(8), 1e-9);
	memcpy(sgp.noises, (double[LOSS_NOISES]){[3] = 0.5, [4] = 0.5}, sizeof(sgp.noises));
	cr_expect_float_eq(sgp_state_provable(&sgp), 1 - 2.326 * 0.36 / sqrt(8), 1e-9);
	memcpy(sgp.noises, (double[LOSS_NOISES]){[0] = 0.4, [3] = 0.6}, sizeof(sgp.noises));
	cr_expect_float_eq(sgp_state_provable(&sgp), 1 - 2.326 * 0.3 / sqrt(8), 1e-9,
			   "of the noise that there is");
	memcpy(sgp.noises, (double[LOSS_NOISES]){[7] = 1}, sizeof(sgp.noises));
	cr_expect_eq(sgp_state_provable(&sgp), 0.3, "however noisy");
	memcpy(sgp.noises, (double[LOSS_NOISES]){[0] = 0.6, [3] = 0.4}, sizeof(sgp.noises));
	cr_expect_eq(sgp_state_provable(&sgp), 1, "more probably exact");
	memcpy(sgp.noises, (double[LOSS_NOISES]){[3] = 1}, sizeof(sgp.noises));
	sgp.problem = &(const struct problem){.weighed = (const struct objective *)&problem};
	cr_expect_eq(sgp_state_provable(&sgp), 1, "a front has no one criterion");
}

/* Only a config that lost another amount shows noise: one that took another time does not. */
Test(sgp, sees_noise_where_a_loss_differs)
{
	struct known list[] = {{.first_margin = 0.25, .first_objective = 1}};
	struct repeat repeats[] = {{.told = true, .margin = 0.25, .objective = 2},
				   {.told = false, .margin = 0.5},
				   {.told = true, .margin = 0.5}};
	struct trials trials = {.list = list, .count = 1, .repeats = repeats, .repeat_count = 2};

	cr_expect(!repeats_differ(&trials));
	trials.repeat_count = 3;
	cr_expect(repeats_differ(&trials));
}

/* Where nothing is sure the luckiest measurement is no better: what most probably meets the criterion is. */
Test(sgp, hands_over_the_surest_where_nothing_is_sure)
{
	struct known list[] = {{.trial = 5}, {.trial = 7}};
	struct sgp sgp = {.accepted = 0, .surest = 1, .beliefs.trials = {.list = list, .count = 2}};

	cr_expect_eq(sgp_strategy.choose(&sgp), 5);
	sgp.accepted = SIZE_MAX;
	cr_expect_eq(sgp_strategy.choose(&sgp), 7);
	sgp.surest = SIZE_MAX;
	cr_expect_eq(sgp_strategy.choose(&sgp), 0, "the measurements choose");
}

static struct event told_elsewhere(int64_t trial, const struct config *config)
{
	return (struct event){.type = EVENT_TOLD,
			      .kind = QUESTION_EVALUATE,
			      .trial = trial,
			      .config = config,
			      .feasible = true,
			      .margin = 0.99,
			      .objective = 0.9};
}

static struct event imported(struct search *search, int64_t trial, uint64_t seed,
			     struct config **ret_config)
{
	struct rng rng = rng_make(seed, RNG_SEARCH, (uint64_t)trial);
	size_t count = search->space->dimension_count;
	uint16_t *choices = mem_new(count, sizeof(*choices));
	struct search_result result = {.failed = false};
	struct event event;

	for (size_t d = 0; d < count; d++) {
		choices[d] = (uint16_t)rng_below(&rng, space_choices(search->space, d));
	}
	kit_qp1_evaluate(choices, count, &result);
	*ret_config = config_create(search->space, choices);
	free(choices);
	event = told_elsewhere(trial, *ret_config);
	event.margin = result.margin;
	event.objective = result.objective;
	event.feasible = result.margin >= 0;
	return event;
}

static size_t fits_of(const struct search *search)
{
	return ((const struct sgp *)search->strategy.state)->fits;
}

/*
 * Hundreds of measurements from elsewhere are thought about once, when somebody asks: live and in a replay, which
 * tells of the same events and asks nothing. What is asked then is the same, however often was looked.
 */
Test(sgp, thinks_once_of_what_was_measured_elsewhere)
{
	enum { IMPORTS = 200, AFTER = 3 };
	static const struct qp1_hints nothing = {0};
	struct config *configs[IMPORTS];
	struct event events[IMPORTS];
	struct search live, again;
	size_t fits;

	kit_qp1_init(20, 70, &nothing);
	search_init(&live, kit_qp1_space, "sgp", 70, NULL);
	search_init(&again, kit_qp1_space, "sgp", 70, NULL);
	fits = fits_of(&live);
	for (size_t i = 0; i < IMPORTS; i++) {
		events[i] = imported(&live, (int64_t)(1000 + i), 70, &configs[i]);
		strategy_apply(&live.strategy, &events[i]);
	}
	cr_expect_eq(fits_of(&live), fits);
	search_run(&live, AFTER, kit_qp1_evaluate);
	cr_expect_eq(fits_of(&live), fits + 1 + AFTER);
	for (size_t i = 0; i < IMPORTS; i++) {
		strategy_apply(&again.strategy, &events[i]);
	}
	for (size_t i = 0; i < AFTER; i++) {
		struct event asked = {.type = EVENT_ASKED,
				      .trial = (int64_t)i + 1,
				      .kind = QUESTION_EVALUATE,
				      .config = live.asked[i].config};

		strategy_apply(&again.strategy, &asked);
		again.asked = mem_grow(again.asked, i + 1, sizeof(*again.asked));
		again.asked[again.asked_count++] =
			(struct question){.config = config_copy(live.asked[i].config)};
		search_tell(&again, i + 1, kit_qp1_evaluate);
	}
	cr_expect_eq(fits_of(&again), fits + 1 + AFTER);
	cr_assert(search_ask(&live) && search_ask(&again));
	cr_expect(config_equal(live.asked[AFTER].config, again.asked[AFTER].config));
	search_finish(&live);
	search_finish(&again);
	for (size_t i = 0; i < IMPORTS; i++) {
		config_destroy(configs[i]);
	}
	kit_qp1_finish();
}

/* Only the answer to the question that is out says something about the budget that it came from. */
Test(knapsack, is_not_moved_by_results_of_other_trials)
{
	static const struct qp1_hints good = {.latencies = true, .scores = QP1_HESSIAN};
	struct search plain, disturbed;
	struct question question = {0};
	struct event import, again;
	struct config *foreign;
	uint16_t choices[31];

	kit_qp1_init(30, 70, &good);
	for (size_t i = 0; i < kit_qp1_space->dimension_count; i++) {
		choices[i] = i < 30 ? space_kind(kit_qp1_space, i)->count - 1 : 0;
	}
	foreign = config_create(kit_qp1_space, choices);
	search_init(&plain, kit_qp1_space, "knapsack", 70, NULL);
	search_init(&disturbed, kit_qp1_space, "knapsack", 70, NULL);
	search_run(&plain, 3, kit_qp1_evaluate);
	search_run(&disturbed, 1, kit_qp1_evaluate);
	again = told_elsewhere(1, disturbed.asked[0].config);
	strategy_apply(&disturbed.strategy, &again);
	cr_assert(search_ask(&disturbed));
	import = told_elsewhere(900, foreign);
	strategy_apply(&disturbed.strategy, &import);
	cr_expect_eq(strategy_next(&disturbed.strategy, &question), STEP_WAIT);
	question_finish(&question);
	search_tell(&disturbed, 2, kit_qp1_evaluate);
	cr_assert(search_ask(&disturbed));
	cr_expect(config_equal(plain.asked[1].config, disturbed.asked[1].config));
	cr_expect(config_equal(plain.asked[2].config, disturbed.asked[2].config));
	search_finish(&plain);
	search_finish(&disturbed);
	config_destroy(foreign);
	kit_qp1_finish();
}
