/* Searches for the config that is worth most to measure next, by what models believe. */
#include "strategies/models/acquire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/latency_model.h"
#include "strategies/models/loss_model.h"
#include "strategies/models/normal.h"

/* CHANGES of the best are tried; by draws, where trying costs little, CHANGES_DRAWN. */
enum { SAMPLES = 8, NEIGHBOURS = 48, CHANGES = 100, CHANGES_DRAWN = 400, KEPT = 2, PARTS = 9 };

/* Deviations of other candidates are taken to be larger than those so far by this factor at most, ... */
static const double wider = 1.2;
/* ... and those of nearly the same one by this. */
static const double slightly_wider = 1.3;

/* What options and borders come to: as believed, or in one draw. All owned. */
struct costs {
	double *losses, *latencies, *borders;
};

/* A selection, what it loses in each draw, and its config: NULL until it is wanted. All owned. */
struct selection {
	uint16_t *options;
	double *losses;
	struct config *config;
};

struct spreads {
	double loss, latency;
};

/* What one suggestion is made from. */
struct search {
	const struct beliefs *beliefs;
	struct costs means, drawn;
	double *loss_scratch, *latency_scratch;
	double *loss_draw, *latency_draw;
	struct selection at_hand, best;
	double score; /* of the best */
	/* Deviations: of the best, and the largest that others are taken to have. */
	struct spreads of_best, most;
	size_t kept_count;
	uint16_t *kept[KEPT]; /* the first two candidates, for neighbours; owned */
};

static void costs_init(struct costs *costs, const struct effects *effects)
{
	costs->losses = mem_new(effects->option_count, sizeof(double));
	costs->latencies = mem_new(effects->option_count, sizeof(double));
	costs->borders = mem_new(effects->op_count, sizeof(double));
}

static void costs_finish(struct costs *costs)
{
	free(costs->losses);
	free(costs->latencies);
	free(costs->borders);
}

static void costs_ban(struct costs *costs, const struct effects *effects)
{
	effects_ban(effects, costs->losses);
	effects_ban(effects, costs->latencies);
}

static void selection_init(struct selection *selection, const struct effects *effects)
{
	selection->options = mem_new(effects->space->dimension_count, sizeof(uint16_t));
	selection->losses = mem_new(DRAWS, sizeof(double));
	selection->config = NULL;
}

static void selection_finish(struct selection *selection)
{
	free(selection->options);
	free(selection->losses);
	config_destroy(selection->config);
}

static void search_init(struct search *search, const struct beliefs *beliefs)
{
	const struct effects *effects = &beliefs->effects;

	*search = (struct search){
		.beliefs = beliefs,
		.loss_scratch = mem_new(beliefs->loss.feature_count, sizeof(double)),
		.latency_scratch = mem_new(beliefs->latency.feature_count, sizeof(double)),
		.loss_draw = mem_new(beliefs->loss.feature_count, sizeof(double)),
		.latency_draw = mem_new(beliefs->latency.feature_count, sizeof(double)),
		.score = -INFINITY,
		.kept = {mem_new(effects->op_count, sizeof(uint16_t)),
			 mem_new(effects->op_count, sizeof(uint16_t))},
	};
	costs_init(&search->means, effects);
	costs_init(&search->drawn, effects);
	selection_init(&search->at_hand, effects);
	selection_init(&search->best, effects);
	if (beliefs->drawn) {
		draws_mean(&beliefs->draws, search->means.losses);
		draws_move(&beliefs->draws, NULL, search->best.options, search->best.losses);
	} else {
		loss_model_options(effects, beliefs->loss.weights, search->means.losses);
	}
	latency_model_options(effects, beliefs->latency.weights, search->means.latencies,
			      search->means.borders);
	costs_ban(&search->means, effects);
}

static void search_finish(struct search *search)
{
	costs_finish(&search->means);
	costs_finish(&search->drawn);
	selection_finish(&search->at_hand);
	selection_finish(&search->best);
	free(search->loss_scratch);
	free(search->latency_scratch);
	free(search->loss_draw);
	free(search->latency_draw);
	free(search->kept[0]);
	free(search->kept[1]);
}

static struct chain chain_of(const struct search *search, const struct costs *costs)
{
	const struct effects *effects = &search->beliefs->effects;

	return (struct chain){
		.count = effects->op_count,
		.first = effects->first,
		.classes = effects->classes,
		.costs = costs->latencies,
		.weights = costs->losses,
		.borders = costs->borders,
	};
}

static double latency_spread(struct search *search)
{
	const struct beliefs *beliefs = search->beliefs;
	struct linear_row row = {0};
	double spread;

	(void)latency_model_row(&beliefs->effects, search->at_hand.options, &row);
	spread = linear_deviation(&beliefs->latency, &row, search->latency_scratch);
	linear_row_finish(&row);
	return spread;
}

static double loss_spread(struct search *search)
{
	const struct beliefs *beliefs = search->beliefs;
	struct linear_row row = {0};
	double spread;

	(void)loss_model_row(&beliefs->effects, search->at_hand.options, &row);
	spread = linear_deviation(&beliefs->loss, &row, search->loss_scratch);
	linear_row_finish(&row);
	return spread;
}

/*
 * The logarithm of the probability that the candidate at hand keeps within the limit, or -INFINITY when it is
 * too low for a gain of `most_gain`.
 */
static double log_probability(struct search *search, double most_gain, struct spreads *ret)
{
	const struct beliefs *beliefs = search->beliefs;
	struct selection *at_hand = &search->at_hand;
	struct chain chain = chain_of(search, &search->means);
	double loss;

	if (beliefs->drawn) {
		memcpy(at_hand->losses, search->best.losses, DRAWS * sizeof(double));
		draws_move(&beliefs->draws, search->best.options, at_hand->options,
			   at_hand->losses);
		return log(draws_probability(&beliefs->draws, at_hand->losses, beliefs->limit));
	}
	loss = chain_weight(&chain, at_hand->options);
	if (search->most.loss > 0 && loss > beliefs->limit &&
	    most_gain + normal_log_cdf((beliefs->limit - loss) / search->most.loss) <=
		    search->score) {
		return -INFINITY;
	}
	ret->loss = loss_spread(search);
	return normal_log_cdf((beliefs->limit - loss) / ret->loss);
}

/*
 * log of the expected improvement times the probability to keep within the limit; -INFINITY also when it cannot
 * be better than the best. Means are cheap and deviations are not: the largest so far bound both factors.
 */
static double score_at_hand(struct search *search, struct spreads *ret)
{
	const struct beliefs *beliefs = search->beliefs;
	struct chain chain = chain_of(search, &search->means);
	double latency = chain_cost(&chain, search->at_hand.options), probability;
	double most_gain = search->most.latency > 0
				   ? normal_log_ei(beliefs->best, latency, search->most.latency)
				   : INFINITY;

	probability =
		most_gain > search->score ? log_probability(search, most_gain, ret) : -INFINITY;
	if (most_gain + probability <= search->score) {
		return -INFINITY;
	}
	ret->latency = latency_spread(search);
	return probability + normal_log_ei(beliefs->best, latency, ret->latency);
}

/* Keeps the candidate at hand if it is better than the best, and new. */
static void consider(struct search *search)
{
	struct selection *at_hand = &search->at_hand;
	bool first = search->best.config == NULL;
	const struct effects *effects = &search->beliefs->effects;
	struct spreads spreads = {0};
	double score;

	if (effects->bans != NULL) {
		bans_apply(effects->bans, effects->space, at_hand->options);
	}
	score = score_at_hand(search, &spreads);
	search->most.loss = fmax(search->most.loss, wider * spreads.loss);
	search->most.latency = fmax(search->most.latency, wider * spreads.latency);
	if (score <= search->score && !first) {
		return;
	}
	at_hand->config = effects_config(effects, at_hand->options);
	if (!config_set_has(&search->beliefs->trials.seen, at_hand->config)) {
		struct selection was = search->best;

		search->best = *at_hand;
		*at_hand = was;
		search->score = score;
		search->of_best = spreads;
	}
	config_destroy(at_hand->config);
	at_hand->config = NULL;
}

static void keep(struct search *search)
{
	size_t size = search->beliefs->effects.op_count * sizeof(uint16_t);

	if (search->kept_count < KEPT) {
		memcpy(search->kept[search->kept_count++], search->at_hand.options, size);
	}
}

/* `share` is of the limit. */
static void consider_solution(struct search *search, const struct costs *costs, double share)
{
	struct chain chain = chain_of(search, costs);

	if (chain_solve(&chain, share * search->beliefs->limit, search->at_hand.options)) {
		keep(search);
		consider(search);
	}
}

static void consider_means(struct search *search, struct rng *rng)
{
	static const double shares[] = {0.8, 0.95, 0.6, 0.35, 1.1, 1.3};

	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		consider_solution(search, &search->means, shares[i]);
	}
	for (int i = 0; i < SAMPLES; i++) {
		consider_solution(search, &search->means, 0.2 + 1.2 * rng_unit(rng));
	}
}

static void draw(struct search *search, struct rng *rng)
{
	const struct beliefs *beliefs = search->beliefs;

	if (beliefs->drawn) {
		draws_one(&beliefs->draws, rng, search->drawn.losses);
	} else {
		linear_sample(&beliefs->loss, rng, search->loss_draw);
		loss_model_options(&beliefs->effects, search->loss_draw, search->drawn.losses);
	}
	linear_sample(&beliefs->latency, rng, search->latency_draw);
	latency_model_options(&beliefs->effects, search->latency_draw, search->drawn.latencies,
			      search->drawn.borders);
	costs_ban(&search->drawn, &beliefs->effects);
}

/* Starts from a selection of operators and changes some of them. */
static void change_some(struct search *search, const uint16_t *from, struct rng *rng)
{
	const struct effects *effects = &search->beliefs->effects;
	uint16_t *options = search->at_hand.options;
	uint64_t changes = 1 + rng_below(rng, 3);

	memcpy(options, from, effects->op_count * sizeof(*options));
	for (uint64_t i = 0; i < changes; i++) {
		size_t op = rng_below(rng, effects->op_count);
		uint32_t count = effects->first[op + 1] - effects->first[op];

		options[op] = (uint16_t)rng_below(rng, count);
	}
}

/* The options of the incumbent, which the caller frees; NULL when there is none. */
static uint16_t *incumbent_options(const struct beliefs *beliefs)
{
	const struct effects *effects = &beliefs->effects;
	uint16_t *options;

	if (beliefs->incumbent == SIZE_MAX) {
		return NULL;
	}
	options = mem_new(effects->space->dimension_count, sizeof(*options));
	effects_options(effects, beliefs->trials.list[beliefs->incumbent].config, options);
	return options;
}

static void consider_neighbours(struct search *search, struct rng *rng)
{
	uint16_t *incumbent = incumbent_options(search->beliefs);

	for (size_t i = 0; i < NEIGHBOURS; i++) {
		size_t of = i % (KEPT + 1);
		bool kept = of < KEPT && of < search->kept_count;
		const uint16_t *from = kept ? search->kept[of] : incumbent;

		if (from != NULL) {
			change_some(search, from, rng);
			consider(search);
		}
	}
	free(incumbent);
}

/*
 * From the best so far to the default for a half, a quarter or three quarters of the operators that are not
 * there, whatever is believed of them: halves find one that ruins everything soonest.
 */
static void consider_parts(struct search *search, struct rng *rng)
{
	const struct effects *effects = &search->beliefs->effects;
	uint16_t *incumbent = incumbent_options(search->beliefs);
	uint16_t *options = search->at_hand.options;

	for (size_t i = 0; i < PARTS && incumbent != NULL; i++) {
		for (size_t op = 0; op < effects->op_count; op++) {
			bool lower = rng_below(rng, 4) > i % 3;

			options[op] = lower ? 0 : incumbent[op];
		}
		consider(search);
		options = search->at_hand.options;
	}
	free(incumbent);
}

/* Changes of the best, and of what is better. */
static void climb(struct search *search, struct rng *rng)
{
	const struct draws *draws = &search->beliefs->draws;
	int changes = search->beliefs->drawn ? CHANGES_DRAWN : CHANGES;

	/* It would find out whom the judging draws suspect. */
	if (search->beliefs->drawn && draws_proposing(draws) < DRAWS) {
		return;
	}

	for (int i = 0; i < changes && search->best.config != NULL; i++) {
		search->most.loss = slightly_wider * search->of_best.loss;
		search->most.latency = slightly_wider * search->of_best.latency;
		change_some(search, search->best.options, rng);
		consider(search);
	}
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
	struct config *found;

	search_init(&search, beliefs);
	for (int i = 0; i < SAMPLES && (!waiting || search.best.config == NULL); i++) {
		draw(&search, rng);
		consider_solution(&search, &search.drawn, 1);
	}
	search.kept_count = 0;
	if (!waiting || search.best.config == NULL) {
		consider_means(&search, rng);
		consider_neighbours(&search, rng);
		if (!beliefs->effects.first_rules) {
			consider_parts(&search, rng);
		}
		climb(&search, rng);
	}
	*ret_score = waiting ? INFINITY : search.score;
	found = search.best.config;
	search.best.config = NULL;
	search_finish(&search);
	return found;
}
