/* How certain it is that a config meets the criterion, how certain measurements can make it, and what is surest. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "search_kit.h"
#include "space_kit.h"
#include "strategies/models/certainty.h"
#include "strategies/models/loss_model.h"
#include "strategies/sgp_state.h"

enum { OPS = 6, FP32 = 1 };

static const struct kit_op ops[] = {
	{"a", "t", "static; fp32"}, {"b", "t", "static; fp32"}, {"c", "t", "static; fp32"},
	{"d", "t", "static; fp32"}, {"e", "t", "static; fp32"}, {"f", "t", "static; fp32"},
	{NULL, NULL, NULL},
};

static struct space *new_space(void)
{
	struct kit_request request = {0};
	struct err err;
	struct space *space = kit_space(ops, &request, &err);

	cr_assert_not_null(space);
	return space;
}

/* The first operators are lowered, so many of them. */
static struct config *lowered(const struct space *space, size_t count)
{
	uint16_t choices[OPS + 1] = {0}; /* and the calibration size */

	for (size_t i = 0; i < OPS; i++) {
		choices[i] = i < count ? 0 : FP32;
	}
	return config_create(space, choices);
}

/* A model that believes of one config that it loses `mean`, more or less `spread`. */
struct belief {
	struct space *space;
	struct objective objective;
	struct problem problem;
	struct beliefs beliefs;
	struct known trial;
	struct config *config;
	double *scratch;
};

static void belief_init(struct belief *belief, double mean, double spread)
{
	static const char *const answers[] = {"evaluate", NULL};
	struct beliefs *beliefs = &belief->beliefs;

	*belief = (struct belief){.space = new_space(), .objective = {.count = 1, .rules = 2}};
	belief->problem = (struct problem){
		.space = belief->space, .objective = &belief->objective, .answers = answers};
	belief->config = lowered(belief->space, 1);
	belief->trial.config = belief->config;
	effects_init(&beliefs->effects, &belief->problem);
	beliefs->effects.losses[0] = mean;
	loss_model_init(&beliefs->loss, &beliefs->effects);
	memset(beliefs->loss.variances, 0, sizeof(beliefs->loss.variances));
	beliefs->loss.variances[0] = pow(spread / mean, 2);
	linear_fit(&beliefs->loss);
	belief->scratch = mem_new(beliefs->loss.feature_count, sizeof(double));
}

static void belief_finish(struct belief *belief)
{
	free(belief->scratch);
	linear_finish(&belief->beliefs.loss);
	effects_finish(&belief->beliefs.effects);
	config_destroy(belief->config);
	space_destroy(belief->space);
}

static double provable(double mean, double spread, size_t measurements, double noise,
		       double deviations)
{
	struct belief belief;
	double result;

	belief_init(&belief, mean, spread);
	result = certainty_provable(&belief.beliefs, &belief.trial, measurements, noise, deviations,
				    belief.scratch);
	belief_finish(&belief);
	return result;
}

/*
 * A belief of 0.5 more or less 0.3 has a deviation of 0.1 after eight measurements of 0.3, and its mean moves by the root of
 * 0.09 - 0.01: 0.3 are to spare below 1 less two deviations. Of the normal distribution by a table.
 */
Test(certainty, what_measurements_can_prove_is_as_computed_by_hand)
{
	cr_expect_float_eq(provable(0.5, 0.3, 8, 0.3, 2), 0.85558, 1e-5, "0.3 / 0.282843");
	cr_expect_float_eq(provable(0.5, 0.3, 3, 0.3, 2), 0.77929, 1e-5, "0.2 / 0.259808");
	cr_expect_float_eq(provable(0.5, 0.3, 8, 0.3, 5), 0.5, 1e-9, "nothing is to spare");
	cr_expect_float_eq(provable(0.8, 0.3, 8, 0.3, 2), 0.5, 1e-9);
	cr_expect_float_eq(provable(1.1, 0.3, 8, 0.3, 2), 0.14442, 1e-5, "-0.3 / 0.282843");
	cr_expect_float_eq(provable(0.5, 0.3, 8, 0.6, 2), 0.73468, 1e-5, "0.153590 / 0.244949");
	cr_expect_float_eq(provable(0.7, 0.3, 8, 1e-6, 2), 0.84134, 1e-4,
			   "where measurements are exact only the belief is in doubt");
	cr_expect_lt(provable(0.9, 0.3, 1, 100, 2), 1e-9, "one that says nothing proves nothing");
	cr_expect_gt(provable(0.1, 0.1, 1, 100, 2), 1 - 1e-9, "this is certain as it is");
}

static double draw_normal(struct rng *rng)
{
	double radius = sqrt(-2 * log(1 - rng_unit(rng)));

	return radius * cos(2 * M_PI * rng_unit(rng));
}

/* The same by playing it: what is true is drawn, then measured, and the posterior belief is looked at. */
Test(certainty, as_often_as_that_it_comes_out_so)
{
	enum { DRAWS_PLAYED = 40000, MEASUREMENTS = 4 };
	const double mean = 0.7, spread = 0.25, noise = 0.4, deviations = 1.5;
	const double sure = 1 / (spread * spread), each = 1 / (noise * noise);
	struct rng rng = rng_make(7, RNG_SEARCH, 1);
	size_t proved = 0;

	for (size_t i = 0; i < DRAWS_PLAYED; i++) {
		double truth = mean + spread * draw_normal(&rng), sum = mean * sure;

		for (size_t k = 0; k < MEASUREMENTS; k++) {
			sum += (truth + noise * draw_normal(&rng)) * each;
		}
		proved += sum / (sure + MEASUREMENTS * each) +
				  deviations / sqrt(sure + MEASUREMENTS * each) <=
			  1;
	}
	cr_expect_float_eq(provable(mean, spread, MEASUREMENTS, noise, deviations),
			   (double)proved / DRAWS_PLAYED, 0.01);
}

/* What is told of a config that was asked for. */
struct said {
	size_t lowered; /* operators */
	double margin, objective;
};

/* sgp after measurements of its own or others; what was lowered the same is a repeat. */
struct told {
	struct search search;
	struct config *configs[OPS + 1];
	int64_t count;
};

static void told_init(struct told *told, bool open)
{
	*told = (struct told){.count = 0};
	(open ? search_init_open : search_init)(&told->search, new_space(), "sgp", 1, NULL);
	for (size_t i = 0; i <= OPS; i++) {
		told->configs[i] = lowered(told->search.space, i);
	}
}

static void told_finish(struct told *told)
{
	struct space *space = told->search.space;

	search_finish(&told->search);
	for (size_t i = 0; i <= OPS; i++) {
		config_destroy(told->configs[i]);
	}
	space_destroy(space);
}

static void tell(struct told *told, struct said said)
{
	struct event event = {.type = EVENT_ASKED,
			      .kind = QUESTION_EVALUATE,
			      .trial = ++told->count,
			      .config = told->configs[said.lowered]};

	strategy_apply(&told->search.strategy, &event);
	event.type = EVENT_TOLD;
	event.feasible = said.margin >= 0;
	event.margin = said.margin;
	event.merit = 1 - 0.01 * (1 - said.margin);
	event.objective = said.objective;
	strategy_apply(&told->search.strategy, &event);
}

/* Trials, 0 for none. */
struct thought {
	int64_t surest, doubted;
};

static struct thought think(bool open, const struct said *said)
{
	struct thought thought = {0};
	const struct known *list;
	const struct sgp *sgp;
	struct told told;

	told_init(&told, open);
	for (; said->objective > 0; said++) {
		tell(&told, *said);
	}
	sgp = sgp_state_think(told.search.strategy.state);
	list = sgp->beliefs.trials.list;
	thought.surest = sgp->surest != SIZE_MAX ? list[sgp->surest].trial : 0;
	thought.doubted = sgp->doubted != SIZE_MAX ? list[sgp->doubted].trial : 0;
	told_finish(&told);
	return thought;
}

#define LAST {0, 0, 0}
/* All operators lowered lose what may be lost, to a hair, by noisy measurements of 0.3. */
#define HARDLY {6, 0.02, 0.4}, {6, -0.3, 0.4}, {6, 0.4, 0.4}

Test(certainty, the_surest_is_what_gains_and_most_probably_meets_the_criterion)
{
	static const struct said slower[] = {{3, 0.3, 0.7}, {1, 0.6, 1.05}, HARDLY, LAST},
				 no_slower[] = {{3, 0.3, 0.7}, {1, 0.6, 1}, HARDLY, LAST},
				 faster[] = {{3, 0.3, 0.7}, {1, 0.6, 0.99}, HARDLY, LAST},
				 last[] = {HARDLY, {3, 0.3, 0.7}, LAST}, alone[] = {HARDLY, LAST},
				 none[] = {{5, -2, 0.5}, HARDLY, LAST},
				 exact[] = {{3, 0.3, 0.7}, {1, 0.6, 0.9}, {6, 0.02, 0.4}, LAST};

	cr_expect_eq(think(false, slower).surest, 1,
		     "what is slower than the baseline is certain for nothing");
	cr_expect_eq(think(false, no_slower).surest, 1, "and what is as fast");
	cr_expect_eq(think(false, faster).surest, 2, "the more certain of two that gain");
	cr_expect_eq(think(false, last).surest, 4, "wherever it stands");
	cr_expect_eq(think(false, alone).surest, 1, "more probable than not is enough");
	cr_expect_eq(think(false, none).surest, 0, "less is not");
	cr_expect_eq(think(false, exact).surest, 0, "without noise all that was measured holds");
	cr_expect_eq(think(true, slower).surest, 0, "a front has no one criterion");
}

/* 0.3 that two measurements leave 54 % certain are less than 0.15 of which seven can make nearly sure. */
Test(certainty, what_can_be_proved_is_measured_again)
{
	static const struct said provable[] = {{6, 0.02, 0.4}, {3, 0.3, 0.7}, {4, 0.2, 0.55},
					       {6, -0.3, 0.4}, {6, 0.4, 0.4}, LAST};
	static const struct said slower[] = {{6, 0.02, 0.4}, {3, 0.3, 0.7}, {2, 0.5, 0.8},
					     {6, -0.3, 0.4}, {6, 0.4, 0.4}, LAST};
	static const struct said six[] = {HARDLY, HARDLY, {6, 0.05, 0.4}, LAST};
	static const struct said seven[] = {HARDLY, HARDLY, {6, 0.05, 0.4}, {6, 0.05, 0.4}, LAST};

	cr_expect_eq(think(false, provable).doubted, 3, "it is in reach");
	cr_expect_eq(think(false, slower).doubted, 1, "what is sure is to be beaten");
	cr_expect_eq(think(false, six).doubted, 1, "six repeats leave one to ask for");
	cr_expect_eq(think(false, seven).doubted, 0, "seven are all that there may be");
}
