#include "strategies/acquire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/latency_model.h"
#include "strategies/loss_model.h"
#include "strategies/normal.h"

enum { SAMPLES = 4, NEIGHBOURS = 48, KEPT = 2 };

static uint16_t *options_of(const struct effects *effects, const struct config *config)
{
	uint16_t *options = mem_new(effects->space->dimension_count, sizeof(*options));

	effects_options(effects, config, options);
	return options;
}

/* What one suggestion is made from. */
struct search {
	const struct beliefs *beliefs;
	struct chain chain;
	double *losses, *latencies, *borders; /* of options; owned */
	double *loss_scratch, *latency_scratch;
	double *loss_draw, *latency_draw;
	uint16_t *options;   /* of the candidate at hand */
	struct config *best; /* owned */
	double score;
	/* The largest so far. */
	double loss_spread, latency_spread;
	size_t kept_count;
	uint16_t *kept[KEPT]; /* the first two candidates, for neighbours; owned */
};

static void search_init(struct search *search, const struct beliefs *beliefs)
{
	const struct effects *effects = &beliefs->effects;

	*search = (struct search){
		.beliefs = beliefs,
		.losses = mem_new(effects->option_count, sizeof(double)),
		.latencies = mem_new(effects->option_count, sizeof(double)),
		.borders = mem_new(effects->op_count, sizeof(double)),
		.loss_scratch = mem_new(beliefs->loss.feature_count, sizeof(double)),
		.latency_scratch = mem_new(beliefs->latency.feature_count, sizeof(double)),
		.loss_draw = mem_new(beliefs->loss.feature_count, sizeof(double)),
		.latency_draw = mem_new(beliefs->latency.feature_count, sizeof(double)),
		.options = mem_new(effects->space->dimension_count, sizeof(uint16_t)),
		.score = -INFINITY,
		.kept = {mem_new(effects->op_count, sizeof(uint16_t)),
			 mem_new(effects->op_count, sizeof(uint16_t))},
	};
	search->chain = (struct chain){
		.count = effects->op_count,
		.first = effects->first,
		.classes = effects->classes,
		.costs = search->latencies,
		.weights = search->losses,
		.borders = search->borders,
	};
}

static void search_finish(struct search *search)
{
	double *const owned[] = {search->losses,       search->latencies,       search->borders,
				 search->loss_scratch, search->latency_scratch, search->loss_draw,
				 search->latency_draw};

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++) {
		free(owned[i]);
	}
	free(search->options);
	free(search->kept[0]);
	free(search->kept[1]);
}

/* What is believed of the candidate at hand: means, and the rows that they were made from. */
struct guess {
	struct linear_row loss_row, latency_row;
	double loss, latency;
};

static void guess_init(struct guess *guess, const struct search *search)
{
	const struct beliefs *beliefs = search->beliefs;

	*guess = (struct guess){0};
	guess->loss = loss_model_row(&beliefs->effects, search->options, &guess->loss_row) +
		      linear_mean(&beliefs->loss, &guess->loss_row);
	guess->latency =
		latency_model_row(&beliefs->effects, search->options, &guess->latency_row) +
		linear_mean(&beliefs->latency, &guess->latency_row);
}

static void guess_finish(struct guess *guess)
{
	linear_row_finish(&guess->loss_row);
	linear_row_finish(&guess->latency_row);
}

/* log of the expected improvement times the probability to meet the criterion. */
static double score_of(struct search *search, const struct guess *guess)
{
	const struct beliefs *beliefs = search->beliefs;
	double loss_spread =
		linear_deviation(&beliefs->loss, &guess->loss_row, search->loss_scratch);
	double latency_spread =
		linear_deviation(&beliefs->latency, &guess->latency_row, search->latency_scratch);

	search->loss_spread = fmax(search->loss_spread, loss_spread);
	search->latency_spread = fmax(search->latency_spread, latency_spread);
	return normal_log_ei(beliefs->best, guess->latency, latency_spread) +
	       normal_log_cdf((1 - guess->loss) / loss_spread);
}

/*
 * The means alone are cheap. With the largest spreads so far, and some more, they tell how good the
 * score can be at best.
 */
static double score_bound(const struct search *search, const struct guess *guess)
{
	double bound =
		normal_log_ei(search->beliefs->best, guess->latency, 1.2 * search->latency_spread);

	return guess->loss > 1
		       ? bound + normal_log_cdf((1 - guess->loss) / (1.2 * search->loss_spread))
		       : bound;
}

/* Keeps the new candidate at hand if it is better; takes over the config. */
static void compare(struct search *search, struct config *config)
{
	struct guess guess;
	double score = -INFINITY;

	guess_init(&guess, search);
	if (search->best == NULL || score_bound(search, &guess) > search->score) {
		score = score_of(search, &guess);
	}
	guess_finish(&guess);
	if (score > search->score || search->best == NULL) {
		config_destroy(search->best);
		search->best = config;
		search->score = score;
	} else {
		config_destroy(config);
	}
}

static void consider(struct search *search)
{
	struct config *config = effects_config(&search->beliefs->effects, search->options);

	if (config_set_has(&search->beliefs->trials.seen, config)) {
		config_destroy(config);
	} else {
		compare(search, config);
	}
}

static void keep(struct search *search)
{
	size_t size = search->chain.count * sizeof(*search->options);

	if (search->kept_count < KEPT) {
		memcpy(search->kept[search->kept_count++], search->options, size);
	}
}

static void consider_solution(struct search *search, double budget)
{
	if (chain_solve(&search->chain, budget, search->options)) {
		keep(search);
		consider(search);
	}
}

static void use_weights(struct search *search, const double *loss, const double *latency)
{
	loss_model_options(&search->beliefs->effects, loss, search->losses);
	latency_model_options(&search->beliefs->effects, latency, search->latencies,
			      search->borders);
}

static void consider_means(struct search *search, struct rng *rng)
{
	static const double budgets[] = {0.8, 0.95, 0.6, 0.35, 1.1, 1.3};

	use_weights(search, search->beliefs->loss.weights, search->beliefs->latency.weights);
	for (size_t i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		consider_solution(search, budgets[i]);
	}
	for (int i = 0; i < SAMPLES; i++) {
		consider_solution(search, 0.2 + 1.2 * rng_unit(rng));
	}
}

static void draw(struct search *search, struct rng *rng)
{
	linear_sample(&search->beliefs->loss, rng, search->loss_draw);
	linear_sample(&search->beliefs->latency, rng, search->latency_draw);
	use_weights(search, search->loss_draw, search->latency_draw);
}

static void change_some(struct search *search, struct rng *rng)
{
	const struct effects *effects = &search->beliefs->effects;
	uint64_t changes = 1 + rng_below(rng, 3);

	for (uint64_t i = 0; i < changes; i++) {
		size_t op = rng_below(rng, effects->op_count);
		uint32_t options = effects->first[op + 1] - effects->first[op];

		search->options[op] = (uint16_t)rng_below(rng, options);
	}
}

static void consider_neighbours(struct search *search, struct rng *rng)
{
	size_t size = search->chain.count * sizeof(*search->options);
	const struct trials *trials = &search->beliefs->trials;
	uint16_t *incumbent = search->beliefs->incumbent != SIZE_MAX
				      ? options_of(&search->beliefs->effects,
						   trials->list[search->beliefs->incumbent].config)
				      : NULL;

	for (size_t i = 0; i < NEIGHBOURS; i++) {
		size_t of = i % (KEPT + 1);
		bool kept = of < KEPT && of < search->kept_count;
		const uint16_t *from = kept ? search->kept[of] : incumbent;

		if (from != NULL) {
			memcpy(search->options, from, size);
			change_some(search, rng);
			consider(search);
		}
	}
	free(incumbent);
}

/* While results are out a draw of what is possible makes questions differ (Kandasamy et al.: Parallelised
 * Bayesian optimisation via Thompson sampling, 2018). */
static bool is_waiting(const struct beliefs *beliefs)
{
	for (size_t i = beliefs->trials.count; i-- > 0;) {
		if (beliefs->trials.list[i].state == KNOWN_OUT) {
			return true;
		}
	}
	return false;
}

struct config *acquire_config(const struct beliefs *beliefs, struct rng *rng, double *ret_score)
{
	bool waiting = is_waiting(beliefs);
	struct search search;

	search_init(&search, beliefs);
	for (int i = 0; i < SAMPLES && (!waiting || search.best == NULL); i++) {
		draw(&search, rng);
		consider_solution(&search, 1);
	}
	search.kept_count = 0;
	if (!waiting || search.best == NULL) {
		consider_means(&search, rng);
		consider_neighbours(&search, rng);
	}
	*ret_score = waiting ? INFINITY : search.score;
	search_finish(&search);
	return search.best;
}
