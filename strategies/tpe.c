/* The strategy tpe: configs that are like good trials and unlike the others. */
#include "strategies/registry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/parzen.h"
#include "strategies/models/promise.h"
#include "strategies/models/split.h"
#include "strategies/models/start_up.h"
#include "strategies/models/trials.h"

enum {
	NEGLIGIBLE = 20, /* e^-20 does not change a sum of floats */
	MUTATIONS = 64,  /* attempts to find something new near a good trial */
};

enum {
	ARG_DENSITY,
	ARG_CANDIDATES,
	ARG_BANDWIDTH,
	ARG_SHARE,
	ARG_STARTUP,
	ARG_FALLBACK,
	ARG_LOSS,
	ARG_RANK
};

static const char *const densities[] = {"joint", "independent", NULL};
static const char *const losses[] = {"constrained", "inc", NULL};
static const char *const ranks[] = {"effects", "ratio", NULL};

static const struct param params[] = {
	[ARG_DENSITY] = {.name = "density",
			 .type = PARAM_TEXT,
			 .choices = densities,
			 .text_fallback = "joint",
			 .help = "joint: options are chosen together, as they were in good trials; "
				 "independent: each operator on its own"},
	[ARG_CANDIDATES] =
		{.name = "candidates",
		 .type = PARAM_INTEGER,
		 .fallback = 64,
		 .min = 1,
		 .max = 1024,
		 .help = "configs drawn for each suggestion, of which the best is asked"},
	[ARG_BANDWIDTH] = {.name = "bandwidth",
			   .type = PARAM_REAL,
			   .fallback = 0.1,
			   .min = 0.001,
			   .max = 0.9,
			   .help = "probability with which an option of a good trial is changed"},
	[ARG_SHARE] = {.name = "good_share",
		       .type = PARAM_REAL,
		       .fallback = 0.05,
		       .min = 0.01,
		       .max = 0.9,
		       .help = "share of the trials that counts as good, 25 at most"},
	[ARG_STARTUP] = {.name = "startup_trials",
			 .type = PARAM_INTEGER,
			 .fallback = 5,
			 .min = 0,
			 .max = 10000,
			 .help = "draws after the default and before the first suggestion"},
	[ARG_FALLBACK] = {.name = "fallback",
			  .type = PARAM_BOOL,
			  .fallback = 1,
			  .min = 0,
			  .max = 1,
			  .help = "whether high precision and other modes are options too"},
	[ARG_LOSS] = {.name = "loss",
		      .type = PARAM_TEXT,
		      .choices = losses,
		      .text_fallback = "constrained",
		      .help = "constrained: feasible trials by objective, then the others by how "
			      "much they miss; inc: the one number that INC minimises"},
	[ARG_RANK] =
		{.name = "rank",
		 .type = PARAM_TEXT,
		 .choices = ranks,
		 .text_fallback = "effects",
		 .help = "which of the joint candidates is asked. effects: the one that promises "
			 "most by the effects of options in the latest trials; ratio: the one most "
			 "like good trials and least like others, as published (always so with "
			 "INC's loss)"},
	{.name = NULL},
};

struct tpe {
	struct trials trials;
	struct parzen parzen;
	struct start_up start_up;
	const struct problem *problem;
	bool joint, inc_loss, by_effects;
	size_t candidates;
	double share;
};

static size_t state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct tpe);
}

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	struct tpe *tpe = state;

	(void)reterr;
	tpe->problem = problem;
	tpe->joint = strcmp(args->texts[ARG_DENSITY], "joint") == 0;
	tpe->inc_loss = strcmp(args->texts[ARG_LOSS], "inc") == 0;
	tpe->by_effects = !tpe->inc_loss && strcmp(args->texts[ARG_RANK], "effects") == 0;
	tpe->candidates = (size_t)args->numbers[ARG_CANDIDATES];
	tpe->share = args->numbers[ARG_SHARE];
	trials_init(&tpe->trials, problem, args->numbers[ARG_FALLBACK] != 0);
	start_up_init(&tpe->start_up, problem, &tpe->trials,
		      args->numbers[ARG_FALLBACK] != 0 && !tpe->inc_loss,
		      (size_t)args->numbers[ARG_STARTUP]);
	parzen_init(&tpe->parzen, &tpe->trials, args->numbers[ARG_BANDWIDTH]);
	return 0;
}

static void finish(void *state)
{
	struct tpe *tpe = state;

	parzen_finish(&tpe->parzen);
	start_up_finish(&tpe->start_up);
	trials_finish(&tpe->trials);
}

static void apply(void *state, const struct event *event)
{
	struct tpe *tpe = state;

	(void)trials_apply(&tpe->trials, event);
}

/* A sum of exponentials, as sum * exp(high). */
struct mixture {
	float high;
	double sum;
};

static void mixture_raise(struct mixture *mixture, float high)
{
	if (high > mixture->high) {
		mixture->sum *= expf(mixture->high - high);
		mixture->high = high;
	}
}

/* A candidate for the next question, and its densities among the other trials and the good. */
struct draw {
	uint16_t *digits;
	struct mixture mixtures[2];
	double score;
};

static int by_score(const void *a, const void *b)
{
	const struct draw *x = a, *y = b;

	return (x->score < y->score) - (x->score > y->score);
}

static void add_tile(const struct tpe *tpe, const struct split *split, size_t first,
		     struct draw *draw)
{
	size_t left = tpe->trials.count - first;
	size_t count = left < PARZEN_TILE ? left : PARZEN_TILE;
	const bool *is_good = split->is_good + first;
	float logs[PARZEN_TILE];
	float highest[2] = {-INFINITY, -INFINITY};

	parzen_log_densities(&tpe->parzen, draw->digits, first, count, logs);
	for (size_t i = 0; i < count; i++) {
		logs[i] += split->log_weights[first + i];
		highest[is_good[i]] = fmaxf(highest[is_good[i]], logs[i]);
	}
	mixture_raise(&draw->mixtures[0], highest[0]);
	mixture_raise(&draw->mixtures[1], highest[1]);
	for (size_t i = 0; i < count; i++) {
		struct mixture *mixture = &draw->mixtures[is_good[i]];

		if (logs[i] > mixture->high - NEGLIGIBLE) {
			mixture->sum += expf(logs[i] - mixture->high);
		}
	}
}

/* Scores are log l(x) - log g(x), up to a constant. Each mixture has the uniform kernel too. */
static void score_ratio(const struct tpe *tpe, const struct split *split, struct draw *draws)
{
	const struct mixture uniform = {(float)tpe->parzen.prior, 1};

	for (size_t i = 0; i < tpe->candidates; i++) {
		draws[i].mixtures[0] = draws[i].mixtures[1] = uniform;
	}
	for (size_t first = 0; first < tpe->trials.count; first += PARZEN_TILE) {
		for (size_t i = 0; i < tpe->candidates; i++) {
			add_tile(tpe, split, first, &draws[i]);
		}
	}
	for (size_t i = 0; i < tpe->candidates; i++) {
		const struct mixture *m = draws[i].mixtures;

		draws[i].score = m[1].high + log(m[1].sum) - m[0].high - log(m[0].sum);
	}
}

/* Scores are the logarithms of what is promised; the most promising draw is made better still. */
static void score_effects(const struct tpe *tpe, struct draw *draws, struct rng *rng)
{
	struct promise promise;
	struct draw *best = draws;

	promise_init(&promise, &tpe->trials);
	for (size_t i = 0; i < tpe->candidates; i++) {
		draws[i].score = promise_of(&promise, draws[i].digits);
		best = draws[i].score > best->score ? &draws[i] : best;
	}
	promise_climb(&promise, best->digits, rng);
	promise_finish(&promise);
}

/* From the mixture of the good kernels and the uniform one, each weighing the same. */
static void draw_joint(const struct tpe *tpe, const struct split *split, struct rng *rng,
		       uint16_t *digits)
{
	const struct trials *trials = &tpe->trials;
	size_t pick = rng_below(rng, split->good_count + 1);

	for (size_t d = 0; d < trials->product.dimension_count; d++) {
		digits[d] = pick < split->good_count
				    ? parzen_draw(&tpe->parzen, d,
						  trials_column(trials, d)[split->good[pick]], rng)
				    : (uint16_t)rng_below(rng, trials->product.choices[d]);
	}
}

/* The densities of one digit's choices among the good trials and the others. */
static void count_digit(const struct tpe *tpe, const struct split *split, size_t digit,
			double *weights[2])
{
	const struct trials *trials = &tpe->trials;
	uint16_t choices = trials->product.choices[digit];
	const uint16_t *column = trials_column(trials, digit);
	double *counts = mem_new(2 * (size_t)choices, sizeof(*counts));

	for (size_t i = 0; i < trials->count; i++) {
		counts[(split->is_good[i] ? choices : 0) + column[i]] +=
			expf(split->log_weights[i]);
	}
	for (uint16_t b = 0; b < choices; b++) {
		weights[0][b] = weights[1][b] = 1.0 / choices;
		for (uint16_t a = 0; a < choices; a++) {
			double density = parzen_of_digit(&tpe->parzen, digit, a, b);

			weights[0][b] += counts[a] * density;
			weights[1][b] += counts[choices + a] * density;
		}
	}
	free(counts);
}

/* The best of some choices drawn from the good trials' density. */
static uint16_t best_choice(const struct tpe *tpe, double *weights[2], uint16_t choices,
			    struct rng *rng)
{
	double total = 0, best_ratio = -1;
	uint16_t best = 0;

	for (uint16_t b = 0; b < choices; b++) {
		total += weights[1][b];
	}
	for (size_t i = 0; i < tpe->candidates; i++) {
		double left = rng_unit(rng) * total;
		uint16_t b = 0;

		while (b + 1 < choices && left >= weights[1][b]) {
			left -= weights[1][b++];
		}
		if (weights[1][b] / weights[0][b] > best_ratio) {
			best_ratio = weights[1][b] / weights[0][b];
			best = b;
		}
	}
	return best;
}

static void draw_independent(const struct tpe *tpe, const struct split *split, struct rng *rng,
			     uint16_t *digits)
{
	const struct product *product = &tpe->trials.product;

	for (size_t d = 0; d < product->dimension_count; d++) {
		uint16_t choices = product->choices[d];
		double *room = mem_new(2 * (size_t)choices, sizeof(*room));
		double *weights[2] = {room, room + choices};

		count_digit(tpe, split, d, weights);
		digits[d] = best_choice(tpe, weights, choices, rng);
		free(room);
	}
}

/* NULL when the config was asked already. */
static struct config *new_config(const struct tpe *tpe, const uint16_t *digits)
{
	struct config *config = product_config(&tpe->trials.product, digits);

	if (config_set_has(&tpe->trials.seen, config)) {
		config_destroy(config);
		return NULL;
	}
	return config;
}

static struct config *suggest_joint(const struct tpe *tpe, const struct split *split,
				    struct rng *rng)
{
	size_t width = tpe->trials.product.dimension_count;
	uint16_t *digits = mem_new(tpe->candidates * width, sizeof(*digits));
	struct draw *draws = mem_new(tpe->candidates, sizeof(*draws));
	struct config *config = NULL;

	for (size_t i = 0; i < tpe->candidates; i++) {
		draws[i].digits = digits + i * width;
		draw_joint(tpe, split, rng, draws[i].digits);
	}
	if (tpe->by_effects) {
		score_effects(tpe, draws, rng);
	} else {
		score_ratio(tpe, split, draws);
	}
	qsort(draws, tpe->candidates, sizeof(*draws), by_score);
	for (size_t i = 0; i < tpe->candidates && config == NULL; i++) {
		config = new_config(tpe, draws[i].digits);
	}
	free(draws);
	free(digits);
	return config;
}

static struct config *suggest_independent(const struct tpe *tpe, const struct split *split,
					  struct rng *rng)
{
	uint16_t *digits = mem_new(tpe->trials.product.dimension_count, sizeof(*digits));
	struct config *config;

	draw_independent(tpe, split, rng, digits);
	config = new_config(tpe, digits);
	free(digits);
	return config;
}

/* A good trial with a few digits changed, more of them the longer nothing new was found. */
static struct config *mutate(const struct tpe *tpe, const struct split *split, struct rng *rng)
{
	const struct trials *trials = &tpe->trials;
	size_t width = trials->product.dimension_count;
	uint16_t *digits = mem_new(width, sizeof(*digits));
	struct config *config = NULL;

	for (size_t i = 0; i < MUTATIONS && config == NULL && split->good_count > 0 && width > 0;
	     i++) {
		size_t from = split->good[rng_below(rng, split->good_count)];

		for (size_t d = 0; d < width; d++) {
			digits[d] = trials_column(trials, d)[from];
		}
		for (size_t n = 0; n <= i / 8; n++) {
			size_t d = rng_below(rng, width);

			digits[d] = (uint16_t)rng_below(rng, trials->product.choices[d]);
		}
		config = new_config(tpe, digits);
	}
	free(digits);
	return config;
}

static struct config *suggest(const struct tpe *tpe, struct rng *rng)
{
	struct config *config;
	struct split split;

	split_init(&split, &tpe->trials, tpe->share, tpe->inc_loss ? tpe->problem : NULL);
	config = (tpe->joint ? suggest_joint : suggest_independent)(tpe, &split, rng);
	if (config == NULL) {
		config = mutate(tpe, &split, rng);
	}
	split_finish(&split);
	return config != NULL ? config
			      : config_set_draw_other(&tpe->trials.seen, &tpe->trials.product, rng);
}

static enum step next(const void *state, struct rng rng, struct question *out)
{
	const struct tpe *tpe = state;
	enum step step;

	out->whole = tpe->inc_loss;
	step = start_up_next(&tpe->start_up, &rng, out);
	if (step != STEP_DONE) {
		return step;
	}
	out->config = suggest(tpe, &rng);
	out->stage = "tpe";
	return out->config != NULL ? STEP_ASK : culprit_end(&tpe->trials.culprit);
}

const struct strategy_ops tpe_strategy = {
	.abi = STRATEGY_ABI,
	.version = 5,
	.name = "tpe",
	.summary = "Draws configs that resemble the good trials more than the others.",
	.when = "For spaces of any size when nothing is known of the operators and a hundred "
		"trials or more are affordable.",
	.params = params,
	.in_order = true,
	.state_size = state_size,
	.init = init,
	.apply = apply,
	.next = next,
	.finish = finish,
};
