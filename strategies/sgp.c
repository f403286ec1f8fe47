#include "strategies/registry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/acquire.h"
#include "strategies/alphas.h"
#include "strategies/models/latency_model.h"
#include "strategies/models/loss_model.h"
#include "strategies/models/near_copy.h"
#include "strategies/models/normal.h"

/*
 * Two structured models, of the loss and of the latency, say for any config how likely it meets the
 * criterion and how fast it is expected to be (acquire.h says what is asked then).
 *
 * Without scores the model of the loss is too simple to say where it is lost: then draws take its place
 * (draws.h), as soon as a trial has met the criterion. Until then the way is down, and it knows that.
 *
 * The baseline is a candidate for the best from the start: what is not faster improves nothing.
 * Whether measurements are noisy is not known either: as long as they do not look so, what was measured
 * to meet the criterion is what is to be beaten, but only what surely meets it is handed over. Where
 * the two differ, every fifth question is a near copy of the former (near_copy.h).
 *
 * When the models mislead, so that nothing has met the criterion after some trials, every second
 * question puts the operators that are believed most sensitive back, twice as many each time.
 */

enum {
	LEARN_UNTIL = 12,    /* known trials: anew at each; then as they double by half */
	SAFEGUARD_AFTER = 4, /* trials without a feasible one */
	LEARN_IN_DOUBT = 3,
	PATIENCE = 5, /* trials without improvement before it may stop; in doubt twice as many */
	LEAST_TRIALS = 10,
	MOST_DRAWN = 500, /* operators */
	COPY_EVERY = 5,   /* questions, while it is in doubt whether the best meets the criterion */
};

/* Only what meets the criterion with this probability is handed over. */
static const double sure = 0.995;
/* While there seems to be no noise what meets it with this one is to be beaten: to wait until one is
 * sure costs trials. */
static const double probable = 0.5;
/* What is less probable changes nothing. */
static const double negligible = 1e-4;
/* Stops when no more than this share of the best objective is to be gained by a trial. */
static const double least_gain = 0.002;

struct sgp {
	const struct problem *problem; /* borrowed */
	struct beliefs beliefs;
	bool wants_scores;
	bool score_asked, score_told;
	size_t learnt;                /* known trials at the last learning */
	size_t told;                  /* trials that were measured, without the baseline */
	size_t improved_at;           /* told, when one of the two below became better */
	double evidence[LOSS_NOISES]; /* how probable noises are by the latest learning */
	double noises[LOSS_NOISES];   /* and with what near copies say */
	bool met;                     /* whether a trial has met the criterion */
	struct alphas alphas;
	/* Indexes in trials, or SIZE_MAX. */
	size_t accepted;  /* what is to be handed over */
	size_t candidate; /* what would be, if one were sure */
};

static size_t state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct sgp);
}

static void expect_some_loss(struct sgp *sgp)
{
	uint16_t *options = mem_new(sgp->beliefs.effects.op_count, sizeof(*options));
	double loss = effects_loss(&sgp->beliefs.effects, options);

	effects_expect(&sgp->beliefs.effects, 1, loss > 0 ? 3 / loss : 1);
	free(options);
}

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	struct sgp *sgp = state;

	(void)args;
	(void)reterr;
	sgp->problem = problem;
	sgp->beliefs.best = 1;
	sgp->evidence[0] = 1;
	sgp->accepted = sgp->candidate = SIZE_MAX;
	sgp->beliefs.incumbent = SIZE_MAX;
	trials_init(&sgp->beliefs.trials, problem->space, true);
	alphas_init(&sgp->alphas, &sgp->beliefs.trials);
	effects_init(&sgp->beliefs.effects, problem);
	sgp->wants_scores = effects_wants_scores(&sgp->beliefs.effects, problem);
	expect_some_loss(sgp);
	loss_model_init(&sgp->beliefs.loss, &sgp->beliefs.effects);
	draws_init(&sgp->beliefs.draws, &sgp->beliefs.effects);
	latency_model_init(&sgp->beliefs.latency, &sgp->beliefs.effects);
	sgp->beliefs.told_noise = mem_new(sgp->beliefs.effects.op_count, sizeof(bool));
	return 0;
}

static void finish(void *state)
{
	struct sgp *sgp = state;

	trials_finish(&sgp->beliefs.trials);
	effects_finish(&sgp->beliefs.effects);
	linear_finish(&sgp->beliefs.loss);
	linear_finish(&sgp->beliefs.latency);
	draws_finish(&sgp->beliefs.draws);
	free(sgp->beliefs.told_noise);
}

static double relative(const struct sgp *sgp, double objective)
{
	return objective_relative(sgp->problem->objective, objective,
				  sgp->beliefs.trials.baseline_objective);
}

/* Of a trial; that of the baseline for SIZE_MAX. */
static double objective_at(const struct sgp *sgp, size_t index)
{
	return index != SIZE_MAX ? relative(sgp, sgp->beliefs.trials.list[index].objective) : 1;
}

static uint16_t *options_of(const struct sgp *sgp, const struct config *config)
{
	uint16_t *options = mem_new(sgp->problem->space->dimension_count, sizeof(*options));

	effects_options(&sgp->beliefs.effects, config, options);
	return options;
}

/* With scores there is little to tell operators apart, and with many draws cost too much. */
static void draw(struct sgp *sgp, const struct measured *losses)
{
	const struct effects *effects = &sgp->beliefs.effects;
	bool awaited = sgp->wants_scores && !sgp->score_told;

	if (awaited || effects->scored || effects->op_count > MOST_DRAWN) {
		return;
	}
	draws_update(&sgp->beliefs.draws, &sgp->beliefs.loss, losses,
		     rng_make(sgp->problem->seed, RNG_BELIEF, losses->count));
	sgp->beliefs.drawn = sgp->met;
}

/* Whether it is open that the fastest that was measured to meet the criterion does. */
static bool is_in_doubt(const struct sgp *sgp)
{
	return sgp->candidate != sgp->accepted;
}

static bool is_time_to_learn(const struct sgp *sgp)
{
	return sgp->told > 2 && (sgp->told <= LEARN_UNTIL || 2 * sgp->told >= 3 * sgp->learnt ||
				 (is_in_doubt(sgp) && sgp->told >= sgp->learnt + LEARN_IN_DOUBT));
}

static void fit(struct sgp *sgp)
{
	const struct trials *trials = &sgp->beliefs.trials;
	uint16_t **options = mem_new(trials->count, sizeof(*options));
	uint16_t **timed = mem_new(trials->count, sizeof(*timed));
	double *losses = mem_new(trials->count, sizeof(*losses));
	double *latencies = mem_new(trials->count, sizeof(*latencies));
	bool learn = is_time_to_learn(sgp);
	size_t count = 0, timed_count = 0;

	for (size_t i = 0; i < trials->count; i++) {
		const struct known *trial = &trials->list[i];

		if (trial->state != KNOWN_TOLD || alphas_differ(&sgp->alphas, trial)) {
			continue; /* what another alpha costs is no operator's */
		}
		options[count] = options_of(sgp, trial->config);
		losses[count] = effects_measured_loss(sgp->problem->criterion, trial->margin);
		if (!isnan(trial->objective)) {
			timed[timed_count] = options[count];
			latencies[timed_count++] = relative(sgp, trial->objective);
		}
		count++;
	}
	loss_model_fit(&sgp->beliefs.loss, &sgp->beliefs.effects,
		       &(struct measured){options, losses, count}, learn || sgp->told == 1,
		       sgp->evidence);
	memcpy(sgp->noises, sgp->evidence, sizeof(sgp->noises));
	near_copy_weigh(&sgp->beliefs.loss, &sgp->beliefs.effects,
			&(struct measured){options, losses, count}, sgp->noises,
			sgp->beliefs.told_noise);
	draw(sgp, &(struct measured){options, losses, count});
	latency_model_fit(&sgp->beliefs.latency, &sgp->beliefs.effects,
			  &(struct measured){timed, latencies, timed_count}, learn);
	sgp->learnt = learn ? sgp->told : sgp->learnt;
	for (size_t i = 0; i < count; i++) {
		free(options[i]);
	}
	free(options);
	free(timed);
	free(losses);
	free(latencies);
}

/* The probability that the trial's true loss is within bounds, by the model as it is fitted. */
static double certainty(const struct sgp *sgp, const struct known *trial, double *scratch)
{
	uint16_t *options = options_of(sgp, trial->config);
	const struct linear *model = &sgp->beliefs.loss;
	struct linear_row row = {0};
	double mean = loss_model_row(&sgp->beliefs.effects, options, &row);
	double spread = linear_deviation(model, &row, scratch);

	mean += linear_mean(model, &row);
	linear_row_finish(&row);
	free(options);
	return exp(normal_log_cdf((1 - mean) / spread));
}

static bool is_candidate(const struct known *trial)
{
	return trial->state == KNOWN_TOLD && trial->feasible && trial->trial > 0;
}

/* Writes how certain each trial is to meet the criterion truly: without noise as measured. */
static void find_certainties(struct sgp *sgp, double *ret)
{
	const struct trials *trials = &sgp->beliefs.trials;
	struct linear *model = &sgp->beliefs.loss;
	double *scratch = mem_new(model->feature_count, sizeof(*scratch)), noise = model->noise;

	for (size_t i = 0; i < trials->count; i++) {
		ret[i] = sgp->noises[0];
	}
	for (int k = 1; k < LOSS_NOISES; k++) {
		if (sgp->noises[k] < negligible) {
			continue;
		}
		model->noise = loss_noises[k];
		linear_fit(model);
		for (size_t i = 0; i < trials->count; i++) {
			ret[i] +=
				is_candidate(&trials->list[i])
					? sgp->noises[k] * certainty(sgp, &trials->list[i], scratch)
					: 0;
		}
	}
	model->noise = noise;
	linear_fit(model);
	free(scratch);
}

/* The index of the fastest that meets the criterion with this probability at least, or SIZE_MAX. */
static size_t fastest(const struct sgp *sgp, const double *certainties, double least)
{
	const struct trials *trials = &sgp->beliefs.trials;
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < trials->count; i++) {
		if (is_candidate(&trials->list[i]) && certainties[i] >= least &&
		    objective_at(sgp, i) < objective_at(sgp, found)) {
			found = i;
		}
	}
	return found;
}

/* What misses the criterion least, or SIZE_MAX. */
static size_t closest(const struct sgp *sgp)
{
	const struct known *list = sgp->beliefs.trials.list;
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < sgp->beliefs.trials.count; i++) {
		if (list[i].state == KNOWN_TOLD && list[i].trial > 0 &&
		    (found == SIZE_MAX || list[i].margin > list[found].margin)) {
			found = i;
		}
	}
	return found;
}

/* The best so far: to beat, to hand over, and to look around. */
static void find_best(struct sgp *sgp)
{
	struct beliefs *beliefs = &sgp->beliefs;
	double *certainties = mem_new(beliefs->trials.count, sizeof(*certainties));
	size_t accepted, to_beat;

	find_certainties(sgp, certainties);
	accepted = fastest(sgp, certainties, sure);
	sgp->candidate = fastest(sgp, certainties, probable);
	to_beat = sgp->noises[0] > probable ? sgp->candidate : accepted;
	if (objective_at(sgp, to_beat) < beliefs->best ||
	    objective_at(sgp, accepted) < objective_at(sgp, sgp->accepted)) {
		sgp->improved_at = sgp->told;
	}
	sgp->accepted = accepted;
	beliefs->best = objective_at(sgp, to_beat);
	beliefs->incumbent = to_beat != SIZE_MAX ? to_beat : closest(sgp);
	free(certainties);
}

static void apply_score(struct sgp *sgp, const struct event *event)
{
	sgp->score_asked = true;
	sgp->score_told = event->type != EVENT_ASKED;
	if (event->type == EVENT_TOLD) {
		effects_take_scores(&sgp->beliefs.effects, event->scores, event->option_scores);
		expect_some_loss(sgp);
	}
}

static void apply(void *state, const struct event *event)
{
	struct sgp *sgp = state;
	int index;

	if (event->kind == QUESTION_SCORE) {
		apply_score(sgp, event);
		return;
	}
	index = trials_apply(&sgp->beliefs.trials, event);
	alphas_apply(&sgp->alphas);
	sgp->beliefs.effects.alpha = sgp->alphas.chosen;
	if (event->type != EVENT_TOLD) {
		return;
	}
	if (event->kind == QUESTION_EVALUATE && index != TRIALS_NONE) {
		sgp->told++;
		sgp->met = sgp->met || event->feasible;
	}
	fit(sgp);
	find_best(sgp);
}

struct sensitive {
	double loss;
	uint32_t op;
};

static int by_loss(const void *a, const void *b)
{
	const struct sensitive *x = a, *y = b;

	if (x->loss != y->loss) {
		return x->loss > y->loss ? -1 : 1;
	}
	return (x->op > y->op) - (x->op < y->op);
}

/* The `count` operators of the largest losses in their highest precision, the others as default. */
static struct config *fall_back(const struct sgp *sgp, size_t count)
{
	const struct effects *effects = &sgp->beliefs.effects;
	struct sensitive *list = mem_new(effects->op_count, sizeof(*list));
	double *losses = mem_new(effects->option_count, sizeof(*losses));
	uint16_t *options = mem_new(effects->op_count, sizeof(*options));
	struct config *config;

	loss_model_options(effects, sgp->beliefs.loss.weights, losses);
	for (size_t i = 0; i < effects->op_count; i++) {
		list[i] = (struct sensitive){losses[effects->first[i]], (uint32_t)i};
	}
	qsort(list, effects->op_count, sizeof(*list), by_loss);
	for (size_t i = 0; i < count && i < effects->op_count; i++) {
		uint32_t op = list[i].op;

		options[op] = (uint16_t)(effects->first[op + 1] - effects->first[op] - 1);
	}
	config = effects_config(effects, options);
	free(list);
	free(losses);
	free(options);
	return config;
}

/* NULL when it is not its turn, when nothing is in doubt or when there is none. */
static struct config *near_copy(const struct sgp *sgp)
{
	return sgp->beliefs.trials.count % COPY_EVERY == 0 && is_in_doubt(sgp)
		       ? near_copy_make(&sgp->beliefs, sgp->candidate)
		       : NULL;
}

/* NULL when it is not its turn, or was asked. */
static struct config *safeguard(const struct sgp *sgp)
{
	size_t late = sgp->told >= SAFEGUARD_AFTER ? sgp->told - SAFEGUARD_AFTER : 1;
	struct config *config;

	if (sgp->met || late % 2 != 0 || late / 2 > 20) {
		return NULL;
	}
	config = fall_back(sgp, (size_t)1 << (late / 2));
	if (config_set_has(&sgp->beliefs.trials.seen, config)) {
		config_destroy(config);
		config = NULL;
	}
	return config;
}

static bool is_over(const struct sgp *sgp, double score)
{
	size_t patience = is_in_doubt(sgp) ? 2 * PATIENCE : PATIENCE;

	return sgp->told >= LEAST_TRIALS && sgp->told >= sgp->improved_at + patience &&
	       score < log(least_gain * sgp->beliefs.best);
}

static enum step next(const void *state, struct rng rng, struct question *out)
{
	const struct sgp *sgp = state;
	double score = INFINITY;

	if (sgp->score_asked && !sgp->score_told) {
		return STEP_WAIT;
	}
	if (sgp->wants_scores && !sgp->score_asked) {
		effects_ask_scores(&sgp->beliefs.effects, sgp->problem, out);
		return STEP_ASK;
	}
	if (alphas_ask(&sgp->alphas, out)) {
		return STEP_ASK;
	}
	if (!sgp->alphas.settled) {
		return STEP_WAIT;
	}
	out->kind = QUESTION_EVALUATE;
	out->stage = "safeguard";
	out->config = safeguard(sgp);
	if (out->config == NULL) {
		out->stage = "near_copy";
		out->config = near_copy(sgp);
	}
	if (out->config == NULL) {
		out->stage = "sgp";
		out->config = acquire_config(&sgp->beliefs, &rng, &score);
	}
	if (out->config == NULL) {
		out->config = config_set_draw_other(&sgp->beliefs.trials.seen,
						    &sgp->beliefs.trials.product, &rng);
	}
	if (out->config != NULL && !is_over(sgp, score)) {
		return STEP_ASK;
	}
	config_destroy(out->config);
	out->config = NULL;
	return sgp->met ? STEP_CONTENT : STEP_DONE;
}

static int64_t choose(const void *state)
{
	const struct sgp *sgp = state;

	return sgp->accepted != SIZE_MAX ? sgp->beliefs.trials.list[sgp->accepted].trial : 0;
}

const struct strategy_ops sgp_strategy = {
	.abi = STRATEGY_ABI,
	.version = 6,
	.name = "sgp",
	.summary = "Learns what each operator costs in accuracy and gains in time, and asks where "
		   "most is to be gained.",
	.when = "When trials are dear, whatever the size of the model; better still when the "
		"evaluator gives scores or the capability says how long operators take.",
	.in_order = true,
	.traits = STRATEGY_ONE_SIZE,
	.state_size = state_size,
	.init = init,
	.apply = apply,
	.next = next,
	.finish = finish,
	.choose = choose,
};
