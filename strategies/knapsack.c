/*
 * The strategy knapsack: the fastest config within a budget of expected losses, which trials correct.
 *
 * Expected losses from scores, expected latencies from the capability, and a knapsack that takes
 * the fastest config whose expected loss stays within a budget. What is measured changes the budget
 * alone: it is bisected until the bracket is narrow.
 */
#include "strategies/registry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "space/config_set.h"
#include "strategies/alphas.h"
#include "strategies/go_on.h"
#include "strategies/models/effects.h"
#include "strategies/models/latency_model.h"
#include "strategies/models/score_question.h"

enum { MOST_BUDGETS = 12, RETRIES = 40 };

/* Of a default that cannot be run. */
static const double guessed_loss = 2;
static const double first_budget = 0.7, target = 0.9, narrow = 1.05;

/* Of the time in fp32, where nobody says how long operators take: quantized, bf16, fp16, fp32. */
static const double guessed_speeds[CHAIN_CLASSES] = {0.5, 0.7, 0.7, 1};
/* Of the mean operator's time: what a border between classes costs. */
static const double guessed_border = 0.03;

struct knapsack {
	const struct problem *problem; /* borrowed, or `rescored` */
	struct problem rescored;       /* with scores that were told */
	struct effects effects;
	struct config_set seen;
	struct trials trials; /* what `alphas` looks at */
	struct alphas alphas; /* of what is uniform; the first alpha is taken */
	bool wants_scores;
	bool score_asked, score_told;
	bool started, met; /* whether the default was told; whether anything met the criterion */
	int64_t out;       /* the trial that is without an answer, or 0 */
	bool testing;      /* ... which is a group test, and of no budget */
	int budgets;       /* tried */
	double low, high;  /* budgets: met with the one, missed with the other; 0 and INFINITY */
	double fails_from, fails_to; /* between them: what could not be run; 0 without any */
	double default_loss;         /* as it is expected: a budget of that is the default */
	double budget;               /* the next one, in units of what may be lost */
	double *costs, *borders;
	bool over; /* whoever goes on asks now */
	struct go_on rest;
};

static size_t state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct knapsack);
}

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	struct knapsack *k = state;

	(void)args;
	(void)reterr;
	k->problem = problem;
	k->high = INFINITY;
	k->budget = first_budget;
	trials_init(&k->trials, problem, true);
	alphas_init(&k->alphas, &k->trials, true);
	effects_init(&k->effects, problem);
	k->effects.extras = k->alphas.chosen;
	k->effects.bans = &k->trials.culprit.bans;
	k->wants_scores = score_question_wanted(&k->effects, problem);
	k->costs = mem_new(k->effects.option_count, sizeof(*k->costs));
	k->borders = mem_new(k->effects.op_count, sizeof(*k->borders));
	for (size_t i = 0; i < k->effects.op_count; i++) {
		k->borders[i] = guessed_border / (double)k->effects.op_count;
		for (uint32_t o = k->effects.first[i]; o < k->effects.first[i + 1]; o++) {
			k->costs[o] = k->effects.latencies[o];
			k->costs[o] *= latency_model_knows(&k->effects, i, o)
					       ? 1
					       : guessed_speeds[k->effects.classes[o]];
		}
	}
	go_on_init(&k->rest, problem);
	return 0;
}

static void finish(void *state)
{
	struct knapsack *k = state;

	effects_finish(&k->effects);
	config_set_finish(&k->seen);
	go_on_finish(&k->rest);
	alphas_finish(&k->alphas);
	trials_finish(&k->trials);
	free(k->costs);
	free(k->borders);
}

/* The default's loss says how much the scores are worth. */
static void calibrate(struct knapsack *k, double loss)
{
	uint16_t *options = mem_new(k->effects.op_count, sizeof(*options));
	double expected;

	effects_expect(&k->effects, 1, 1);
	bans_apply(k->effects.bans, k->effects.space, options);
	expected = effects_loss(&k->effects, options);
	k->default_loss = fmax(loss, 0.2);
	effects_expect(&k->effects, 1, expected > 0 ? k->default_loss / expected : 1);
	effects_ban(&k->effects, k->effects.losses);
	k->started = true;
	free(options);
}

static double clamp(double x, double low, double high)
{
	return x < low ? low : (x > high ? high : x);
}

/*
 * A failure is no verdict, so the budget leaves what failed: to the side of the last miss, where less is
 * in high precision, then to the other, and so on until nothing is left between it and the miss.
 */
static void leave_failures(struct knapsack *k)
{
	double all = k->default_loss > k->fails_to ? k->default_loss : 2 * k->fails_to;
	double miss = isinf(k->high) ? all : k->high;
	bool above = miss > narrow * k->fails_to, below = k->fails_from > narrow * k->low;

	if (k->fails_to <= k->low || k->fails_from >= k->high) {
		k->fails_from = k->fails_to = 0;
	}
	if (k->budget < k->fails_from || k->budget > k->fails_to) {
		return;
	}
	if (above && (!below || k->budgets % 2 != 0)) {
		k->budget = sqrt(k->fails_to * miss);
		return;
	}
	k->budget = k->low > 0 ? sqrt(k->low * k->fails_from) : first_budget * k->fails_from;
	if (!above) {
		k->high = k->fails_from;
		k->fails_from = k->fails_to = 0;
	}
}

/* Where somebody is to blame the same budget gives another config, without the culprit. */
static void note_failure(struct knapsack *k, const struct config *config)
{
	k->budgets += k->started;
	if (!k->started || culprit_blames(&k->trials.culprit, config)) {
		return;
	}
	k->fails_from = k->fails_to > 0 ? fmin(k->fails_from, k->budget) : k->budget;
	k->fails_to = fmax(k->fails_to, k->budget);
	leave_failures(k);
}

static void move_budget(struct knapsack *k, bool met, double loss)
{
	double ratio = loss > 0 ? target / loss : 4;

	k->budgets++;
	*(met ? &k->low : &k->high) = k->budget;
	k->budget *= met ? clamp(ratio, 1.1, 4) : clamp(ratio, 0.2, 0.9);
	if (k->low > 0 && (k->budget <= k->low || k->budget >= k->high)) {
		k->budget = isinf(k->high) ? 1.1 * k->low : sqrt(k->low * k->high);
	}
	leave_failures(k);
}

/* Whether an answer is the default's under what was chosen for all operators. */
static bool is_default(const struct knapsack *k, const struct config *config)
{
	struct config *chosen = alphas_default(&k->alphas);
	bool same = k->alphas.settled && config_equal(chosen, config);

	config_destroy(chosen);
	return same;
}

/* Whether it is what is asked to find out who is to blame. */
static bool is_test(const struct knapsack *k, const struct config *config)
{
	struct question test = {0};
	enum step step = culprit_next(&k->trials.culprit, &k->trials.seen, &test);
	bool same = step == STEP_ASK && config_equal(test.config, config);

	question_finish(&test);
	return same;
}

/*
 * Budgets were of other expectations, so they begin anew, from what the default lost. What is out is of none of them; but the
 * default's answer is still what to begin with.
 */
static void take_report(struct knapsack *k, const struct event *event)
{
	problem_tell(k->problem, event, &k->rescored);
	k->problem = &k->rescored;
	effects_renew(&k->effects, k->problem);
	k->wants_scores = false;
	k->score_told = true;
	if (!k->started) {
		return;
	}
	k->over = false;
	k->out = 0;
	k->budgets = 0;
	k->budget = first_budget;
	k->low = k->fails_from = k->fails_to = 0;
	k->high = INFINITY;
	calibrate(k, k->default_loss);
}

static void take_scores(struct knapsack *k, const struct event *event)
{
	if (k->problem == &k->rescored) {
		return;
	}
	k->score_asked = true;
	k->score_told = event->type != EVENT_ASKED;
	if (event->type == EVENT_TOLD) {
		effects_take_scores(&k->effects, event->scores, event->option_scores);
	}
}

static void take(struct knapsack *k, const struct event *event)
{
	bool asked = event->type == EVENT_ASKED;
	double loss;

	if (event->kind == QUESTION_SCORE) {
		(event_tells_scores(event) ? take_report : take_scores)(k, event);
		return;
	}
	if (event->kind != QUESTION_EVALUATE) {
		return;
	}
	if (asked) {
		k->testing = is_test(k, event->config);
	}
	(void)trials_apply(&k->trials, event);
	alphas_apply(&k->alphas);
	effects_ban(&k->effects, k->costs);
	effects_ban(&k->effects, k->effects.losses);
	if (!config_set_has(&k->seen, event->config)) {
		config_set_add(&k->seen, event->config);
	}
	if (asked) {
		k->out = k->over ? 0 : event->trial;
		return;
	}
	k->met = k->met || (event->type == EVENT_TOLD && event->feasible);
	/* Imported or measured again: of no budget, or of one that is past. */
	if (event->trial != k->out) {
		return;
	}
	k->out = 0;
	if (k->testing) {
		return;
	}
	if (event->type != EVENT_TOLD) {
		note_failure(k, event->config);
		return;
	}
	loss = effects_measured_loss(k->problem->criterion, event->margin);
	if (k->started) {
		move_budget(k, event->feasible, loss);
	} else if (is_default(k, event->config)) {
		calibrate(k, loss);
	}
}

/* A config that the budget allows and that is new: a budget that gives a known one, or one that
 * lowers nothing, is widened. */
static struct config *solve(const struct knapsack *k)
{
	const struct chain chain = {k->effects.op_count, k->effects.first,
				    k->effects.classes,  k->costs,
				    k->effects.losses,   k->borders};
	uint16_t *options = mem_new(k->effects.op_count, sizeof(*options));
	struct config *config = NULL;
	double budget = k->budget;

	for (int i = 0; i < RETRIES && config == NULL && budget < k->high; i++) {
		bool found = chain_solve(&chain, budget, options);
		bool empty = found && effects_loss(&k->effects, options) == 0;

		if (found && !empty) {
			config = effects_config(&k->effects, options);
		}
		if (config != NULL && config_set_has(&k->seen, config)) {
			config_destroy(config);
			config = NULL;
		}
		budget *= empty ? 1.25 : narrow;
	}
	free(options);
	return config;
}

/* NULL when no budget is left to be tried. */
static struct config *propose(const struct knapsack *k)
{
	bool narrow_enough = k->low > 0 && k->high / k->low < narrow;

	if (!k->started) {
		return alphas_default(&k->alphas);
	}
	return k->budgets < MOST_BUDGETS && !narrow_enough ? solve(k) : NULL;
}

/* It cannot be run, and nobody is left to be blamed for it: what it loses is guessed. */
static void give_default_up(struct knapsack *k)
{
	struct question test = {0};
	struct config *usual = alphas_default(&k->alphas);
	bool asked = k->alphas.settled && config_set_has(&k->seen, usual);

	if (!k->started && k->out == 0 && asked &&
	    culprit_next(&k->trials.culprit, &k->trials.seen, &test) == STEP_DONE) {
		calibrate(k, guessed_loss);
	}
	question_finish(&test);
	config_destroy(usual);
}

static void apply(void *state, const struct event *event)
{
	struct knapsack *k = state;

	take(k, event);
	give_default_up(k);
	if (k->started && k->out == 0 && !k->over && k->rest.problem != NULL) {
		struct config *config = propose(k);

		k->over = config == NULL;
		config_destroy(config);
	}
	go_on_apply(&k->rest, event, k->over);
}

static enum step next(const void *state, struct rng rng, struct question *out)
{
	const struct knapsack *k = state;

	if (k->wants_scores && !k->score_asked) {
		score_question_ask(&k->effects, k->problem, out);
		return STEP_ASK;
	}
	if (k->over) {
		return go_on_next(&k->rest, STEP_DONE, rng, out);
	}
	if (k->out > 0 || (k->score_asked && !k->score_told)) {
		return STEP_WAIT;
	}
	if (culprit_next(&k->trials.culprit, &k->trials.seen, out) == STEP_ASK) {
		return STEP_ASK;
	}
	out->kind = QUESTION_EVALUATE;
	out->stage = k->started ? "knapsack" : "default";
	if (!k->started && !k->alphas.settled && alphas_ask(&k->alphas, out)) {
		return STEP_ASK;
	}
	out->config = propose(k);
	if (out->config != NULL) {
		return STEP_ASK;
	}
	return k->met ? STEP_CONTENT : STEP_DONE;
}

const struct strategy_ops knapsack_strategy = {
	.abi = STRATEGY_ABI,
	.version = 7,
	.name = "knapsack",
	.summary =
		"Takes the fastest config whose expected loss stays within a budget, and bisects "
		"the budget; then goes on as sgp.",
	.when = "When there are good scores and the capability says how long operators take: a "
		"handful of trials, whatever the size of the model.",
	.in_order = true,
	.traits = STRATEGY_ONE_SIZE | STRATEGY_ONE_ALPHA | STRATEGY_SCORES,
	.state_size = state_size,
	.init = init,
	.apply = apply,
	.next = next,
	.finish = finish,
};
