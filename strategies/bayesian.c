/*
 * The strategy bayesian: Gaussian processes of objective and margin, and where both promise most.
 */
#include "strategies/registry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/gp.h"
#include "strategies/models/normal.h"
#include "strategies/models/start_up.h"
#include "strategies/models/trials.h"

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
			 .help = "draws after the default and before the first suggestion"},
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
	struct start_up start_up;
	struct distance distance;
	struct gp margin, objective;
	size_t fitted; /* trials known when the hyperparameters were learnt */
	bool ucb;
};

/* The rows that a fit is of, and the values of those that are known. */
struct rows {
	size_t *trials;
	double *margins, *objectives;
	size_t count, known;
};

enum { MARGIN, OBJECTIVE, MODELS };

/* Configs that are compared at once: digits, and squared distances to the rows by each model. */
struct points {
	uint16_t *digits;
	double *distances[MODELS];
};

/* What one suggestion is made from. */
struct search {
	const struct bayesian *bayesian;
	struct gp_fit fits[MODELS];
	double best;  /* objective of the best feasible trial, or INFINITY */
	size_t left;  /* configs that may still be compared */
	size_t batch; /* at once */
	size_t rows, width;
	struct points candidates;
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
	trials_init(&bayesian->trials, problem, args->numbers[ARG_FALLBACK] != 0);
	start_up_init(&bayesian->start_up, problem, &bayesian->trials,
		      args->numbers[ARG_FALLBACK] != 0 && !bayesian->ucb,
		      (size_t)args->numbers[ARG_STARTUP]);
	distance_init(&bayesian->distance, &bayesian->trials);
	gp_init(&bayesian->margin, &bayesian->distance, matern);
	gp_init(&bayesian->objective, &bayesian->distance, matern);
	return 0;
}

static void finish(void *state)
{
	struct bayesian *bayesian = state;

	start_up_finish(&bayesian->start_up);
	gp_finish(&bayesian->margin);
	gp_finish(&bayesian->objective);
	distance_finish(&bayesian->distance);
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

static struct points points_new(size_t count, size_t width, size_t rows)
{
	struct points points = {.digits = mem_new(count * width, sizeof(*points.digits))};

	for (int m = 0; m < MODELS; m++) {
		points.distances[m] = mem_new(count * rows, sizeof(double));
	}
	return points;
}

static void points_free(struct points *points)
{
	free(points->digits);
	for (int m = 0; m < MODELS; m++) {
		free(points->distances[m]);
	}
}

static void search_init(struct search *search, const struct bayesian *bayesian,
			const struct rows *rows)
{
	struct gp_data data = data_of(bayesian, rows, rows->margins);

	search->bayesian = bayesian;
	gp_fit_init(&search->fits[MARGIN], &bayesian->margin, &data);
	data.values = rows->objectives;
	gp_fit_init(&search->fits[OBJECTIVE], &bayesian->objective, &data);
	search->best = best_objective(&bayesian->trials);
	search->rows = rows->count;
	search->width = bayesian->trials.product.dimension_count;
	search->left = budget(search->rows, search->width);
	search->batch = search->left / STARTS < BATCH ? search->left / STARTS : BATCH;
	search->candidates = points_new(search->batch, search->width, search->rows);
}

static void search_finish(struct search *search)
{
	points_free(&search->candidates);
	for (int m = 0; m < MODELS; m++) {
		gp_fit_finish(&search->fits[m]);
	}
}

/*
 * log EI of the objective plus the logarithm of the probability to be feasible (Gardner et al.
 * 2014); before anything is feasible only the latter counts.
 */
static void score(struct search *search, double *ret)
{
	double means[BATCH], deviations[BATCH], margins[BATCH], spreads[BATCH];
	bool ucb = search->bayesian->ucb, improve = isfinite(search->best) && !ucb;
	const struct points *points = &search->candidates;
	size_t count = search->batch;

	gp_fit_predict(&search->fits[MARGIN], points->distances[MARGIN], count, margins, spreads);
	if (improve) {
		gp_fit_predict(&search->fits[OBJECTIVE], points->distances[OBJECTIVE], count, means,
			       deviations);
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
	struct points at; /* one */
	double score;
};

static void copy_point(const struct search *search, const struct points *from, size_t i,
		       struct points *to, size_t k)
{
	size_t width = search->width, rows = search->rows;

	memcpy(to->digits + k * width, from->digits + i * width, width * sizeof(*to->digits));
	for (int m = 0; m < MODELS; m++) {
		memcpy(to->distances[m] + k * rows, from->distances[m] + i * rows,
		       rows * sizeof(double));
	}
}

/* Scores the candidates and keeps in *best the best new one if it is better. */
static bool keep_best(struct search *search, struct point *best)
{
	const struct points *points = &search->candidates;
	double scores[BATCH];
	bool better = false;

	score(search, scores);
	for (size_t i = 0; i < search->batch; i++) {
		if (scores[i] > best->score &&
		    !is_seen(&search->bayesian->trials, points->digits + i * search->width)) {
			best->score = scores[i];
			copy_point(search, points, i, &best->at, 0);
			better = true;
		}
	}
	return better;
}

/* Changes candidate `i` in one digit. */
static void change(struct search *search, size_t i, size_t digit, struct rng *rng)
{
	uint16_t choices = search->bayesian->trials.product.choices[digit];
	uint16_t *at = &search->candidates.digits[i * search->width + digit], from = *at;

	*at = (uint16_t)((from + 1 + rng_below(rng, choices - 1)) % choices);
	for (int m = 0; m < MODELS; m++) {
		gp_fit_move(&search->fits[m], digit, from, *at,
			    search->candidates.distances[m] + i * search->rows);
	}
}

/* One digit changed, or two neighbours, in each of a batch of copies. */
static void neighbours(struct search *search, const struct point *from, struct rng *rng)
{
	for (size_t i = 0; i < search->batch; i++) {
		size_t first = rng_below(rng, search->width);
		size_t changes = 1 + (i % 4 == 3) + (i % 8 == 7);

		copy_point(search, &from->at, 0, &search->candidates, i);
		for (size_t d = first; d < first + changes && d < search->width; d++) {
			change(search, i, d, rng);
		}
	}
}

static void climb(struct search *search, struct rng *rng, size_t share, struct point *best)
{
	size_t end = search->left > share ? search->left - share : 0;
	int failures = 0;

	while (search->left > end && failures < 2) {
		neighbours(search, best, rng);
		failures = keep_best(search, best) ? 0 : failures + 1;
	}
}

static void place(const struct search *search, struct points *points, size_t i)
{
	for (int m = 0; m < MODELS; m++) {
		gp_fit_place(&search->fits[m], points->digits + i * search->width,
			     points->distances[m] + i * search->rows);
	}
}

static void draw_batch(struct search *search, struct rng *rng)
{
	const struct product *product = &search->bayesian->trials.product;
	uint16_t *digits = search->candidates.digits;

	for (size_t i = 0; i < search->batch; i++) {
		for (size_t d = 0; d < search->width; d++) {
			*digits++ = (uint16_t)rng_below(rng, product->choices[d]);
		}
		place(search, &search->candidates, i);
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

static void start_at_incumbent(const struct search *search, struct point *point)
{
	const struct trials *trials = &search->bayesian->trials;
	size_t from = incumbent(trials);

	for (size_t d = 0; d < search->width; d++) {
		point->at.digits[d] = trials_column(trials, d)[from];
	}
	place(search, &point->at, 0);
	point->score = -INFINITY;
}

/* Climbs from the incumbent and from the best of some draws; NULL when that finds nothing new. */
static struct config *search_best(struct search *search, struct rng *rng)
{
	size_t share = search->left / STARTS;
	struct point best = {points_new(1, search->width, search->rows), -INFINITY};
	struct point point = {points_new(1, search->width, search->rows), -INFINITY};
	struct config *config = NULL;

	for (int start = 0; start < STARTS && search->width > 0; start++) {
		start_at_incumbent(search, &point);
		if (start % 2 == 1) {
			draw_batch(search, rng);
			(void)keep_best(search, &point);
		}
		climb(search, rng, share, &point);
		if (point.score > best.score) {
			best.score = point.score;
			copy_point(search, &point.at, 0, &best.at, 0);
		}
	}
	if (best.score > -INFINITY) {
		config = product_config(&search->bayesian->trials.product, best.at.digits);
	}
	points_free(&point.at);
	points_free(&best.at);
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
	enum step step;

	out->whole = true; /* its model of the objective takes every trial */
	step = start_up_next(&bayesian->start_up, &rng, out);
	if (step != STEP_DONE) {
		return step;
	}
	out->config = suggest(bayesian, &rng);
	out->stage = "bayesian";
	return out->config != NULL ? STEP_ASK : culprit_end(&bayesian->trials.culprit);
}

const struct strategy_ops bayesian_strategy = {
	.abi = STRATEGY_ABI,
	.version = 6,
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
