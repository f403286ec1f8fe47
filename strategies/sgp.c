#include "strategies/registry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/acquire.h"
#include "strategies/alphas.h"
#include "strategies/rows.h"
#include "strategies/sgp.h"
#include "strategies/models/latency_model.h"
#include "strategies/models/fall_back.h"
#include "strategies/models/last_tests.h"
#include "strategies/models/loss_model.h"
#include "strategies/models/near_copy.h"
#include "strategies/models/opening.h"
#include "strategies/models/certainty.h"
#include "strategies/models/repeats.h"

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
 * the two differ, the former is measured again (repeats.h; under rules 1 every fifth question is a near copy of
 * it, near_copy.h).
 *
 * When the models mislead, so that nothing has met the criterion after some trials, every second
 * question puts the operators that are believed most sensitive back, twice as many each time.
 */

enum {
	LEARN_UNTIL = 12, /* known trials: anew at each; then as they double by half */
	LEARN_IN_DOUBT = 3,
	PATIENCE = 5, /* trials without improvement before it may stop; in doubt twice as many */
	LEAST_TRIALS = 10,
	MOST_DRAWN = 2000,      /* operators */
	MOST_DRAWN_FIRST = 500, /* the same, under rules 1 */
	COPY_EVERY = 5, /* questions, while it is in doubt whether the best meets the criterion */
	TEST_EVERY = 3,
	DOUBT_AFTER = 5,  /* trials */
	REPEAT_EVERY = 3, /* questions; the first at once: it says whether there is noise */
	MOST_REPEATS = 7, /* of one config */
};

/* What meets the criterion with this probability is handed over. */
static const double sure = 0.99;
/* While there seems to be no noise what meets it with this one is to be beaten: to wait until one is
 * sure costs trials. */
static const double probable = 0.5;
/* Of an objective that is not taken for exact, relative to the baseline's. */
static const double least_jitter = 1e-4;
/* Stops when no more than this share of the best objective is to be gained by a trial. */
static const double least_gain = 0.002;

struct sgp {
	const struct problem *problem; /* borrowed */
	struct beliefs beliefs;
	bool wants_scores;
	bool score_asked, score_told;
	bool news;                    /* that was not thought about yet */
	size_t fits;                  /* so far */
	size_t learnt;                /* known trials at the last learning */
	size_t told;                  /* trials that were measured, without the baseline */
	size_t improved_at;           /* told, when one of the two below became better */
	double evidence[LOSS_NOISES]; /* how probable noises are by the latest learning */
	double noises[LOSS_NOISES];   /* and with what near copies say */
	bool met;                     /* whether a trial has met the criterion */
	double jitter;                /* of the objective, as repeats say; NAN without them */
	struct alphas alphas;
	/* Indexes in trials, or SIZE_MAX. */
	size_t accepted;  /* what is to be handed over */
	size_t candidate; /* what would be, if one were sure */
	size_t doubted;   /* what is worth measuring again */
};

static size_t state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct sgp);
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
	sgp->jitter = NAN;
	sgp->accepted = sgp->candidate = sgp->doubted = SIZE_MAX;
	sgp->beliefs.incumbent = SIZE_MAX;
	trials_init(&sgp->beliefs.trials, problem->space, true);
	alphas_init(&sgp->alphas, &sgp->beliefs.trials, false);
	effects_init(&sgp->beliefs.effects, problem);
	sgp->beliefs.effects.extras = sgp->alphas.chosen;
	sgp->wants_scores = effects_wants_scores(&sgp->beliefs.effects, problem);
	effects_expect_some(&sgp->beliefs.effects);
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
	alphas_finish(&sgp->alphas);
	effects_finish(&sgp->beliefs.effects);
	linear_finish(&sgp->beliefs.loss);
	linear_finish(&sgp->beliefs.latency);
	draws_finish(&sgp->beliefs.draws);
	free(sgp->beliefs.told_noise);
}

/*
 * Of a trial; that of the baseline for SIZE_MAX. Where the objective is noisy the fastest of many is the luckiest,
 * so that the model says how fast it is.
 */
static double objective_at(const struct sgp *sgp, size_t index)
{
	const struct beliefs *beliefs = &sgp->beliefs;
	struct linear_row row = {0};
	uint16_t *options;
	double mean;

	if (index == SIZE_MAX || !(sgp->jitter > least_jitter)) {
		return index != SIZE_MAX ? objective_relative(sgp->problem->objective,
							      beliefs->trials.list[index].objective,
							      beliefs->trials.baseline_objective)
					 : 1;
	}
	options = rows_options(&beliefs->effects, beliefs->trials.list[index].config);
	mean = latency_model_row(&beliefs->effects, options, &row);
	mean += linear_mean(&beliefs->latency, &row);
	linear_row_finish(&row);
	free(options);
	return mean;
}

/* With scores there is little to tell operators apart, and with many draws cost too much. */
static void draw(struct sgp *sgp, const struct measured *losses)
{
	const struct effects *effects = &sgp->beliefs.effects;
	size_t most = effects->first_rules ? MOST_DRAWN_FIRST : MOST_DRAWN;
	bool awaited = sgp->wants_scores && !sgp->score_told;

	if (awaited || effects->scored || effects->op_count > most) {
		return;
	}
	draws_update(&sgp->beliefs.draws, &sgp->beliefs.loss, losses,
		     rng_make(sgp->problem->seed, RNG_BELIEF, losses->count));
	sgp->beliefs.drawn = sgp->met || (!effects->first_rules && draws_ruined(losses));
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

/* How noisy measurements are, by the model and by what tells better. */
static void weigh_noises(struct sgp *sgp, const struct measured *losses)
{
	struct beliefs *beliefs = &sgp->beliefs;
	size_t best = 0;

	memcpy(sgp->noises, sgp->evidence, sizeof(sgp->noises));
	if (beliefs->effects.first_rules) {
		near_copy_weigh(&beliefs->loss, &beliefs->effects, losses, sgp->noises,
				beliefs->told_noise);
		return;
	}
	if (beliefs->trials.repeat_count > 0) {
		repeats_weigh(&beliefs->trials, &beliefs->effects, sgp->problem->criterion,
			      sgp->noises);
		for (size_t k = 1; k < loss_model_noises(&beliefs->effects); k++) {
			best = sgp->noises[k] > sgp->noises[best] ? k : best;
		}
		beliefs->loss.noise = loss_noises[best];
		linear_fit(&beliefs->loss);
		sgp->jitter = repeats_jitter(&beliefs->trials);
	}
}

static void fit(struct sgp *sgp)
{
	struct beliefs *beliefs = &sgp->beliefs;
	bool learn = is_time_to_learn(sgp);
	struct measured losses, latencies;
	struct rows rows;

	rows_init(&rows, &beliefs->trials, &beliefs->effects, sgp->problem, &sgp->alphas);
	losses = (struct measured){rows.options, rows.losses, rows.count};
	latencies = (struct measured){rows.timed, rows.latencies, rows.timed_count};
	loss_model_fit(&beliefs->loss, &beliefs->effects, &losses, learn || sgp->told == 1,
		       sgp->evidence);
	weigh_noises(sgp, &losses);
	draw(sgp, &losses);
	latency_model_fit(&beliefs->latency, &beliefs->effects, &latencies, learn, sgp->jitter);
	sgp->learnt = learn ? sgp->told : sgp->learnt;
	sgp->fits++;
	rows_finish(&rows);
}

/* The index of the fastest that meets the criterion with this probability at least, or SIZE_MAX. */
static size_t fastest(const struct sgp *sgp, const double *certainties, double least)
{
	const struct trials *trials = &sgp->beliefs.trials;
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < trials->count; i++) {
		if (certainty_is_candidate(&trials->list[i]) && certainties[i] >= least &&
		    objective_at(sgp, i) < objective_at(sgp, found)) {
			found = i;
		}
	}
	return found;
}

/* What to be sure of would gain most, by how certain it is already; SIZE_MAX when nothing would. */
static size_t most_worth(const struct sgp *sgp, const double *certainties, double to_beat)
{
	const struct trials *trials = &sgp->beliefs.trials;
	size_t found = SIZE_MAX;
	double most = 0;

	for (size_t i = 0; i < trials->count; i++) {
		const struct known *trial = &trials->list[i];
		double worth = certainty_is_candidate(trial) && trial->repeats < MOST_REPEATS
				       ? certainties[i] * (to_beat - objective_at(sgp, i))
				       : 0;

		if (worth > most) {
			most = worth;
			found = i;
		}
	}
	return found;
}

/* There is little to be doubted while one operator that ruins everything may still be looked for. */
static size_t doubts_from(const struct sgp *sgp)
{
	return DOUBT_AFTER + (size_t)log2((double)sgp->beliefs.effects.op_count);
}

/* The best so far: to beat, to hand over, and to look around. */
static void find_best(struct sgp *sgp)
{
	struct beliefs *beliefs = &sgp->beliefs;
	double *certainties = mem_new(beliefs->trials.count, sizeof(*certainties));
	bool hopes = !beliefs->effects.first_rules && sgp->told < doubts_from(sgp);
	size_t accepted, to_beat;

	certainty_find(beliefs, sgp->noises, certainties);
	accepted = fastest(sgp, certainties, sure);
	sgp->candidate = fastest(sgp, certainties, probable);
	to_beat = sgp->noises[0] > probable || hopes ? sgp->candidate : accepted;
	if (objective_at(sgp, to_beat) < beliefs->best ||
	    objective_at(sgp, accepted) < objective_at(sgp, sgp->accepted)) {
		sgp->improved_at = sgp->told;
	}
	sgp->accepted = accepted;
	sgp->doubted = beliefs->effects.first_rules
			       ? SIZE_MAX
			       : most_worth(sgp, certainties, objective_at(sgp, accepted));
	beliefs->best = objective_at(sgp, to_beat);
	beliefs->incumbent = to_beat != SIZE_MAX ? to_beat : trials_closest(&beliefs->trials);
	free(certainties);
}

static void take_score(struct sgp *sgp, const struct event *event)
{
	sgp->score_asked = true;
	sgp->score_told = event->type != EVENT_ASKED;
	if (event->type == EVENT_TOLD) {
		effects_take_scores(&sgp->beliefs.effects, event->scores, event->option_scores);
		effects_expect_some(&sgp->beliefs.effects);
	}
}

/* Whether it is to be thought about. */
static bool take(struct sgp *sgp, const struct event *event)
{
	int index;

	if (event->kind == QUESTION_SCORE) {
		take_score(sgp, event);
		return false;
	}
	index = trials_apply(&sgp->beliefs.trials, event);
	alphas_apply(&sgp->alphas);
	if (event->type != EVENT_TOLD) {
		return false;
	}
	if (event->kind == QUESTION_EVALUATE && index != TRIALS_NONE) {
		sgp->told++;
		sgp->met = sgp->met || event->feasible;
	}
	return true;
}

/* Of all that was told since the last time. */
static void think(struct sgp *sgp)
{
	if (sgp->news) {
		sgp->news = false;
		fit(sgp);
		find_best(sgp);
	}
}

/* The same for who may only look: what is thought follows from what was told, whenever that is. */
static const struct sgp *thought(const void *state)
{
	think((struct sgp *)state);
	return state;
}

/* Measurements from elsewhere come by the hundred, and nobody asks in between. */
static void apply(void *state, const struct event *event)
{
	struct sgp *sgp = state;
	bool awaited = trials_awaits(&sgp->beliefs.trials, event);

	if (event->type == EVENT_ASKED) {
		think(sgp);
	}
	sgp->news = take(sgp, event) || sgp->news;
	if (event->type == EVENT_TOLD && awaited) {
		think(sgp);
	}
}

void sgp_catch_up(void *state, const struct event *events, size_t count)
{
	struct sgp *sgp = state;

	for (size_t i = 0; i < count; i++) {
		sgp->news = take(sgp, &events[i]) || sgp->news;
	}
	think(sgp);
}

size_t sgp_fits(const void *state)
{
	return ((const struct sgp *)state)->fits;
}

/* Again, to find out how sure it is; NULL when nothing is in doubt. */
static struct config *repeat(const struct sgp *sgp)
{
	const struct trials *trials = &sgp->beliefs.trials;
	size_t every = trials->repeat_count > 0 ? REPEAT_EVERY : 1;
	bool turn = (trials->count + trials->repeat_count) % every == 0;

	return turn && is_in_doubt(sgp) && sgp->doubted != SIZE_MAX && sgp->told >= doubts_from(sgp)
		       ? config_copy(trials->list[sgp->doubted].config)
		       : NULL;
}

/* NULL when it is not its turn, when nothing is in doubt or when there is none. */
static struct config *near_copy(const struct sgp *sgp)
{
	if (!sgp->beliefs.effects.first_rules) {
		return NULL;
	}
	return sgp->beliefs.trials.count % COPY_EVERY == 0 && is_in_doubt(sgp)
		       ? near_copy_make(&sgp->beliefs, sgp->candidate)
		       : NULL;
}

/*
 * Once the model's patience is over, every third question is one that it did not choose, and all are while it
 * expects nothing more; the question then takes the place of its own. True when all of that has failed, too.
 */
static bool is_over(const struct sgp *sgp, double score, struct rng *rng, struct question *out)
{
	size_t most = last_tests_count(&sgp->beliefs.effects), late;
	size_t patience = is_in_doubt(sgp) ? 2 * PATIENCE : PATIENCE;
	bool content = score < log(least_gain * sgp->beliefs.best);
	struct config *test = NULL;

	if (sgp->told < LEAST_TRIALS || sgp->told < sgp->improved_at + patience) {
		return false;
	}
	late = sgp->told - sgp->improved_at - patience;
	if (content && (sgp->beliefs.effects.first_rules || late >= TEST_EVERY * most)) {
		return true;
	}
	if (!sgp->beliefs.effects.first_rules && (content || late % TEST_EVERY == 0)) {
		test = last_tests_make(&sgp->beliefs, content ? late % most : late / TEST_EVERY,
				       rng, &out->stage);
	}
	if (test != NULL) {
		config_destroy(out->config);
		out->config = test;
	}
	return false;
}

static bool open_with(const struct sgp *sgp, struct question *out)
{
	out->stage = "opening";
	out->config = opening_make(&sgp->beliefs, sgp->problem);
	return out->config != NULL;
}

static enum step next(const void *state, struct rng rng, struct question *out)
{
	const struct sgp *sgp = thought(state);
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
	if (open_with(sgp, out)) {
		return STEP_ASK;
	}
	out->stage = "safeguard";
	out->config = fall_back_late(&sgp->beliefs, sgp->told, sgp->met);
	if (out->config == NULL) {
		out->stage = "repeat";
		out->config = repeat(sgp);
		out->again = out->config != NULL;
	}
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
	if (out->config != NULL && !is_over(sgp, score, &rng, out)) {
		return STEP_ASK;
	}
	config_destroy(out->config);
	out->config = NULL;
	return sgp->met ? STEP_CONTENT : STEP_DONE;
}

static int64_t choose(const void *state)
{
	const struct sgp *sgp = thought(state);

	return sgp->accepted != SIZE_MAX ? sgp->beliefs.trials.list[sgp->accepted].trial : 0;
}

const struct strategy_ops sgp_strategy = {
	.abi = STRATEGY_ABI,
	.version = 8,
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
