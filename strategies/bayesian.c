#include "strategies/registry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/gp.h"
#include "strategies/normal.h"
#include "strategies/trials.h"

enum {
	MOST_ROWS = 800,   /* what a fit takes grows with their cube */
	LEARNT_ROWS = 200, /* the latest, for hyperparameters */
	FIRST_FIT = 6,     /* known trials; then at half as many again, and so on */
	BATCH = 128,       /* configs compared at once */
	STARTS = 4,
};

/* Of INC: how many deviations the upper confidence bound lies above the mean. */
static const double kappa = 2.576;

enum { ARG_ACQUISITION, ARG_KERNEL, ARG_STARTUP, ARG_FALLBACK };

static const char *const acquisitions[] = {"ei", "ucb", NULL};
static const char *const kernels[] = {"matern", "exponential", NULL};

static const struct param params[] = {
	[ARG_ACQUISITION] = {.name = "acquisition",
			     .type = PARAM_TEXT,
			     .choices = acquisitions,
			     .text_fallback = "ei",
			     .help = "ei: expected improvement of the objective times the "
				     "probability to meet the criterion; ucb: INC's upper "
				     "confidence bound of the accuracy alone"},
	[ARG_KERNEL] = {.name = "kernel",
			.type = PARAM_TEXT,
			.choices = kernels,
			.text_fallback = "matern",
			.help = "how alike configs are that differ by a distance d: Matern 5/2, "
				"or exp(-d^2)"},
	[ARG_STARTUP] = {.name = "startup_trials",
			 .type = PARAM_INTEGER,
			 .fallback = 5,
			 .min = 0,
			 .max = 10000,
			 .help = "uniform draws after the default and before the first suggestion"},
	[ARG_FALLBACK] = {.name = "fallback",
			  .type = PARAM_BOOL,
			  .fallback = 0,
			  .min = 0,
			  .max = 1,
			  .help = "whether high precision and other modes are options too"},
	{.name = NULL},
};

struct bayesian {
	struct trials trials;
	struct gp margin, objective;
	size_t fitted; /* trials known when the hyperparameters were learnt */
	size_t startup;
	bool ucb;
};

/* The rows that a fit is of, and the values of those that are known. */
struct rows {
	size_t *trials;
	double *margins, *objectives;
	size_t count, known;
};

/* What one suggestion is made from. */
struct search {
	const struct bayesian *bayesian;
	struct gp_fit margin, objective;
	double best;  /* objective of the best feasible trial, or INFINITY */
	size_t left;  /* configs that may still be compared */
	size_t batch; /* at once */
};

static size_t state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct bayesian);
}

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	struct bayesian *bayesian = state;
	bool matern = strcmp(args->texts[ARG_KERNEL], "matern") == 0;

	(void)reterr;
	bayesian->ucb = strcmp(args->texts[ARG_ACQUISITION], "ucb") == 0;
	bayesian->startup = (size_t)args->numbers[ARG_STARTUP];
	trials_init(&bayesian->trials, problem->space, args->numbers[ARG_FALLBACK] != 0);
	gp_init(&bayesian->margin, &bayesian->trials, matern);
	gp_init(&bayesian->objective, &bayesian->trials, matern);
	return 0;
}

static void finish(void *state)
{
	struct bayesian *bayesian = state;

	gp_finish(&bayesian->margin);
	gp_finish(&bayesian->objective);
	trials_finish(&bayesian->trials);
}

/* The latest `most` trials that are known, oldest first, then those that are out. */
static void rows_init(struct rows *rows, const struct trials *trials, size_t most, bool with_out)
{
	size_t skip = trials->told > most ? trials->told - most : 0;

	*rows = (struct rows){.trials = mem_new(trials->count, sizeof(*rows->trials)),
			      .margins = mem_new(trials->count, sizeof(double)),
			      .objectives = mem_new(trials->count, sizeof(double))};
	for (size_t i = 0; i < trials->count; i++) {
		const struct known *trial = &trials->list[i];

		if (trial->state == KNOWN_TOLD && skip > 0) {
			skip--;
		} else if (trial->state == KNOWN_TOLD) {
			/* Large misses say little more than that it misses. */
			rows->margins[rows->known] = asinh(trial->margin);
			rows->objectives[rows->known] = trial->objective;
			rows->trials[rows->known++] = i;
		}
	}
	rows->count = rows->known;
	for (size_t i = 0; with_out && i < trials->count; i++) {
		if (trials->list[i].state == KNOWN_OUT) {
			rows->trials[rows->count++] = i;
		}
	}
}

static void rows_finish(struct rows *rows)
{
	free(rows->trials);
	free(rows->margins);
	free(rows->objectives);
}

static struct gp_data data_of(const struct bayesian *bayesian, const struct rows *rows,
			      const double *values)
{
	return (struct gp_data){&bayesian->trials, rows->trials, values, rows->count, rows->known};
}

static void learn(struct bayesian *bayesian)
{
	struct gp_data data;
	struct rows rows;

	rows_init(&rows, &bayesian->trials, LEARNT_ROWS, false);
	data = data_of(bayesian, &rows, rows.margins);
	gp_learn(&bayesian->margin, &data);
	data.values = rows.objectives;
	gp_learn(&bayesian->objective, &data);
	rows_finish(&rows);
}

static void apply(void *state, const struct event *event)
{
	struct bayesian *bayesian = state;
	size_t told;

	(void)trials_apply(&bayesian->trials, event);
	told = bayesian->trials.told;
	if (told >= FIRST_FIT && 2 * told >= 3 * bayesian->fitted) {
		learn(bayesian);
		bayesian->fitted = told;
	}
}

static double best_objective(const struct trials *trials)
{
	double best = INFINITY;

	for (size_t i = 0; i < trials->count; i++) {
		const struct known *trial = &trials->list[i];

		if (trial->state == KNOWN_TOLD && trial->feasible) {
			best = fmin(best, trial->objective);
		}
	}
	return best;
}

/* So that a suggestion takes about the same time whatever is known and how large configs are. */
static size_t budget(size_t rows, size_t width)
{
	size_t count = 80000000 / (rows * rows + (300 + width) * rows + 20 * width + 1);

	return count > 4000 ? 4000 : (count < STARTS ? STARTS : count);
}

static void search_init(struct search *search, const struct bayesian *bayesian,
			const struct rows *rows)
{
	struct gp_data data = data_of(bayesian, rows, rows->margins);

	search->bayesian = bayesian;
	gp_fit_init(&search->margin, &bayesian->margin, &data);
	data.values = rows->objectives;
	gp_fit_init(&search->objective, &bayesian->objective, &data);
	search->best = best_objective(&bayesian->trials);
	search->left = budget(rows->count, bayesian->trials.product.dimension_count);
	search->batch = search->left / STARTS < BATCH ? search->left / STARTS : BATCH;
}

static void search_finish(struct search *search)
{
	gp_fit_finish(&search->margin);
	gp_fit_finish(&search->objective);
}

/*
 * log EI of the objective plus the logarithm of the probability to be feasible (Gardner et al.
 * 2014); before anything is feasible only the latter counts.
 */
static void score(struct search *search, const uint16_t *digits, size_t count, double *ret)
{
	double means[BATCH], deviations[BATCH], margins[BATCH], spreads[BATCH];
	bool ucb = search->bayesian->ucb, improve = isfinite(search->best) && !ucb;

	gp_fit_predict(&search->margin, digits, count, margins, spreads);
	if (improve) {
		gp_fit_predict(&search->objective, digits, count, means, deviations);
	}
	for (size_t i = 0; i < count; i++) {
		ret[i] = ucb ? margins[i] + kappa * spreads[i]
			     : normal_log_cdf(margins[i] / spreads[i]);
		ret[i] += improve ? normal_log_ei(search->best, means[i], deviations[i]) : 0;
	}
	search->left -= count < search->left ? count : search->left;
}

static bool is_seen(const struct trials *trials, const uint16_t *digits)
{
	struct config *config = product_config(&trials->product, digits);
	bool seen = config_set_has(&trials->seen, config);

	config_destroy(config);
	return seen;
}

/* A config and what it scores. */
struct point {
	uint16_t *digits;
	double score;
};

/* Scores `count` configs and keeps in *best the best new one if it is better. */
static bool keep_best(struct search *search, const uint16_t *digits, size_t count,
		      struct point *best)
{
	const struct trials *trials = &search->bayesian->trials;
	size_t width = trials->product.dimension_count;
	double scores[BATCH];
	bool better = false;

	score(search, digits, count, scores);
	for (size_t i = 0; i < count; i++) {
		if (scores[i] > best->score && !is_seen(trials, digits + i * width)) {
			best->score = scores[i];
			memcpy(best->digits, digits + i * width, width * sizeof(*digits));
			better = true;
		}
	}
	return better;
}

/* One digit changed, or two neighbours, in each of a batch of copies. */
static void neighbours(const struct search *search, const uint16_t *from, struct rng *rng,
		       uint16_t *ret)
{
	const struct product *product = &search->bayesian->trials.product;
	size_t width = product->dimension_count;

	for (size_t i = 0; i < search->batch; i++) {
		uint16_t *digits = ret + i * width;
		size_t first = rng_below(rng, width);
		size_t changes = 1 + (i % 4 == 3) + (i % 8 == 7);

		memcpy(digits, from, width * sizeof(*digits));
		for (size_t d = first; d < first + changes && d < width; d++) {
			uint16_t by = (uint16_t)(1 + rng_below(rng, product->choices[d] - 1));

			digits[d] = (uint16_t)((digits[d] + by) % product->choices[d]);
		}
	}
}

static void climb(struct search *search, struct rng *rng, size_t share, uint16_t *batch,
		  struct point *best)
{
	size_t end = search->left > share ? search->left - share : 0;
	int failures = 0;

	while (search->left > end && failures < 2) {
		neighbours(search, best->digits, rng, batch);
		failures = keep_best(search, batch, search->batch, best) ? 0 : failures + 1;
	}
}

static void draw_batch(const struct search *search, struct rng *rng, uint16_t *batch)
{
	const struct product *product = &search->bayesian->trials.product;

	for (size_t i = 0; i < search->batch * product->dimension_count; i++) {
		batch[i] = (uint16_t)rng_below(rng, product->choices[i % product->dimension_count]);
	}
}

/* The known trial with the best value, to start from: feasible ones first. */
static size_t incumbent(const struct trials *trials)
{
	const struct known *list = trials->list;
	size_t best = 0;

	for (size_t i = 1; i < trials->count; i++) {
		bool ok = list[i].state == KNOWN_TOLD;
		bool best_ok = list[best].state == KNOWN_TOLD;

		if (ok && (!best_ok || (list[i].feasible && !list[best].feasible) ||
			   (list[i].feasible == list[best].feasible &&
			    (list[i].feasible ? list[i].objective < list[best].objective
					      : list[i].margin > list[best].margin)))) {
			best = i;
		}
	}
	return best;
}

/* Climbs from the incumbent and from the best of some draws; NULL when that finds nothing new. */
static struct config *search_best(struct search *search, struct rng *rng)
{
	const struct trials *trials = &search->bayesian->trials;
	size_t width = trials->product.dimension_count, share = search->left / STARTS;
	uint16_t *digits = mem_new((search->batch + 2) * width, sizeof(*digits));
	uint16_t *batch = digits + 2 * width;
	struct point best = {digits, -INFINITY};
	struct config *config = NULL;

	for (int start = 0; start < STARTS && width > 0; start++) {
		struct point point = {digits + width, -INFINITY};
		size_t from = incumbent(trials);

		for (size_t d = 0; d < width; d++) {
			point.digits[d] = trials_column(trials, d)[from];
		}
		if (start % 2 == 1) {
			draw_batch(search, rng, batch);
			(void)keep_best(search, batch, search->batch, &point);
		}
		climb(search, rng, share, batch, &point);
		if (point.score > best.score) {
			best.score = point.score;
			memcpy(best.digits, point.digits, width * sizeof(*digits));
		}
	}
	if (best.score > -INFINITY) {
		config = product_config(&trials->product, best.digits);
	}
	free(digits);
	return config;
}

static struct config *suggest(const struct bayesian *bayesian, struct rng *rng)
{
	struct config *config = NULL;
	struct search search;
	struct rows rows;

	rows_init(&rows, &bayesian->trials, MOST_ROWS, true);
	if (rows.known > 0) {
		search_init(&search, bayesian, &rows);
		config = search_best(&search, rng);
		search_finish(&search);
	}
	rows_finish(&rows);
	return config != NULL ? config
			      : config_set_draw_other(&bayesian->trials.seen,
						      &bayesian->trials.product, rng);
}

static enum step next(const void *state, struct rng rng, struct question *out)
{
	const struct bayesian *bayesian = state;

	out->config = trials_begin(&bayesian->trials, bayesian->startup, &rng, &out->stage);
	if (out->config == NULL) {
		out->config = suggest(bayesian, &rng);
		out->stage = "bayesian";
	}
	out->kind = QUESTION_EVALUATE;
	out->whole = true; /* its model of the objective takes every trial */
	return out->config != NULL ? STEP_ASK : STEP_DONE;
}

const struct strategy_ops bayesian_strategy = {
	.abi = STRATEGY_ABI,
	.version = 1,
	.name = "bayesian",
	.summary = "Fits Gaussian processes to what was measured and asks where most is to be "
		   "gained.",
	.when = "For some thirty operators at most when evaluations are expensive.",
	.params = params,
	.in_order = true,
	.state_size = state_size,
	.init = init,
	.apply = apply,
	.next = next,
	.finish = finish,
};
