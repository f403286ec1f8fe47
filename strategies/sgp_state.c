/* Folds results into sgp's models, and looks for the best under them. */
#include "strategies/sgp_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "strategies/models/certainty.h"
#include "strategies/models/latency_model.h"
#include "strategies/models/near_copy.h"
#include "strategies/models/repeats.h"
#include "strategies/rows.h"
#include "strategies/models/score_question.h"

enum {
	LEARN_UNTIL = 12, /* known trials: anew at each; then as they double by half */
	LEARN_IN_DOUBT = 3,
	MOST_DRAWN = 2000,      /* operators */
	MOST_DRAWN_FIRST = 500, /* the same, under rules 1 */
	DOUBT_AFTER = 5,        /* trials */
	MOST_REPEATS = 7,       /* of one config */
};

/* What meets the criterion with this probability is handed over. */
static const double sure = 0.99;
/* The deviations of a normal belief that make it so. */
static const double sure_deviations = 2.326;
/* What is asked for may lose so much at least, however noisy measurements are. */
static const double least_provable = 0.3;
/* While there seems to be no noise what meets it with this one is to be beaten: to wait until one is
 * sure costs trials. */
static const double probable = 0.5;
/* So many times what may be lost is as far as the front is searched. */
static const double most_lost = 5;
/* The front has grown when it covers more by this share. */
static const double least_growth = 1e-3;
/* Of an objective that is not taken for exact, relative to the baseline's. */
static const double least_jitter = 1e-4;

static void begin_models(struct beliefs *beliefs)
{
	effects_expect_some(&beliefs->effects);
	loss_model_init(&beliefs->loss, &beliefs->effects);
	draws_init(&beliefs->draws, &beliefs->effects);
	latency_model_init(&beliefs->latency, &beliefs->effects);
}

static void finish_models(struct beliefs *beliefs)
{
	linear_finish(&beliefs->loss);
	linear_finish(&beliefs->latency);
	draws_finish(&beliefs->draws);
}

void sgp_state_init(struct sgp *sgp, const struct problem *problem)
{
	sgp->problem = problem;
	sgp->beliefs.limit = sgp->beliefs.best = 1;
	sgp->evidence[0] = 1;
	sgp->jitter = NAN;
	sgp->accepted = sgp->surest = sgp->candidate = sgp->doubted = SIZE_MAX;
	sgp->beliefs.incumbent = SIZE_MAX;
	trials_init(&sgp->beliefs.trials, problem, true);
	alphas_init(&sgp->alphas, &sgp->beliefs.trials, false);
	effects_init(&sgp->beliefs.effects, problem);
	sgp->beliefs.effects.extras = sgp->alphas.chosen;
	sgp->beliefs.effects.bans = &sgp->beliefs.trials.culprit.bans;
	sgp->wants_scores = score_question_wanted(&sgp->beliefs.effects, problem);
	begin_models(&sgp->beliefs);
	sgp->beliefs.told_noise = mem_new(sgp->beliefs.effects.op_count, sizeof(bool));
}

void sgp_state_finish(struct sgp *sgp)
{
	trials_finish(&sgp->beliefs.trials);
	alphas_finish(&sgp->alphas);
	effects_finish(&sgp->beliefs.effects);
	finish_models(&sgp->beliefs);
	free(sgp->beliefs.told_noise);
	free(sgp->front.points);
}

bool sgp_state_is_open(const struct sgp *sgp)
{
	return sgp->problem->weighed != NULL;
}

static double relative(const struct sgp *sgp, double objective)
{
	return objective_relative(sgp->problem->objective, objective,
				  sgp->beliefs.trials.baseline_objective);
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
		return index != SIZE_MAX ? relative(sgp, beliefs->trials.list[index].objective) : 1;
	}
	options = rows_options(&beliefs->effects, beliefs->trials.list[index].config);
	mean = latency_model_row(&beliefs->effects, options, &row);
	mean += linear_mean(&beliefs->latency, &row);
	linear_row_finish(&row);
	free(options);
	return mean;
}

/* The same as the job weighs it. */
static double value_at(const struct sgp *sgp, size_t index)
{
	double objective = objective_at(sgp, index);

	return sgp_state_is_open(sgp) && index != SIZE_MAX
		       ? objective_weigh(sgp->problem->weighed, sgp->problem->criterion, objective,
					 sgp->beliefs.trials.list[index].margin)
		       : objective;
}

/* With scores there is little to tell operators apart, and with many draws cost too much. */
static void draw(struct sgp *sgp, const struct measured *losses)
{
	const struct effects *effects = &sgp->beliefs.effects;
	size_t most = effects->first_rules ? MOST_DRAWN_FIRST : MOST_DRAWN;
	bool awaited = sgp->wants_scores && !sgp->score_told;

	if (awaited || effects->scored || effects->learnt || effects->op_count > most) {
		return;
	}
	draws_update(&sgp->beliefs.draws, &sgp->beliefs.loss, losses,
		     rng_make(sgp->problem->seed, RNG_BELIEF, losses->count));
	sgp->beliefs.drawn = sgp->met || (!effects->first_rules && draws_ruined(losses));
}

bool sgp_state_doubts(const struct sgp *sgp)
{
	return sgp->candidate != sgp->accepted;
}

static bool is_time_to_learn(const struct sgp *sgp)
{
	return sgp->told > 2 &&
	       (sgp->told <= LEARN_UNTIL || 2 * sgp->told >= 3 * sgp->learnt ||
		(sgp_state_doubts(sgp) && sgp->told >= sgp->learnt + LEARN_IN_DOUBT));
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
		beliefs->loss.noise = loss_model_noise(&beliefs->effects, best);
		linear_fit(&beliefs->loss);
		sgp->jitter = repeats_jitter(&beliefs->trials);
	}
}

static void fit(struct sgp *sgp)
{
	struct beliefs *beliefs = &sgp->beliefs;
	bool noisy = !beliefs->effects.first_rules && repeats_differ(&beliefs->trials);
	bool learn = is_time_to_learn(sgp) || noisy != beliefs->effects.noisy;
	struct measured losses, latencies;
	struct rows rows;

	beliefs->effects.noisy = noisy;
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
		    value_at(sgp, i) < value_at(sgp, found)) {
			found = i;
		}
	}
	return found;
}

/* Whether there is noise, so that only what can be proved is of use. A front has no one criterion to prove. */
static bool proves(const struct sgp *sgp)
{
	return sgp->beliefs.effects.noisy && sgp->noises[0] <= probable && !sgp_state_is_open(sgp);
}

/* The deviation of what is lost, given that there is noise. */
static double noise_of(const struct sgp *sgp)
{
	const struct effects *effects = &sgp->beliefs.effects;
	double sum = 0;

	for (size_t k = 1; k < loss_model_noises(effects); k++) {
		sum += sgp->noises[k] * loss_model_noise(effects, k);
	}
	return sum / (1 - sgp->noises[0]);
}

double sgp_state_provable(const struct sgp *sgp)
{
	return proves(sgp) ? fmax(least_provable,
				  1 - sure_deviations * noise_of(sgp) / sqrt(1 + MOST_REPEATS))
			   : 1;
}

/* What to be sure of would gain most, by how certain it is already, or where that is to be proved by how likely it can
 * be; SIZE_MAX when nothing would. */
static size_t most_worth(const struct sgp *sgp, const double *certainties, double to_beat)
{
	const struct beliefs *beliefs = &sgp->beliefs;
	double *scratch = mem_new(beliefs->loss.feature_count, sizeof(*scratch));
	bool to_prove = proves(sgp);
	double most = 0, noise = to_prove ? noise_of(sgp) : 0;
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < beliefs->trials.count; i++) {
		const struct known *trial = &beliefs->trials.list[i];
		double worth;

		if (!certainty_is_candidate(trial) || trial->repeats >= MOST_REPEATS) {
			continue;
		}
		worth = to_beat - value_at(sgp, i);
		if (worth > 0) {
			worth *= to_prove ? certainty_provable(beliefs, trial,
							       MOST_REPEATS - trial->repeats, noise,
							       sure_deviations, scratch)
					  : certainties[i];
		}
		if (worth > most) {
			most = worth;
			found = i;
		}
	}
	free(scratch);
	return found;
}

size_t sgp_state_doubts_from(const struct sgp *sgp)
{
	return DOUBT_AFTER + (size_t)log2((double)sgp->beliefs.effects.op_count);
}

/* What a trial lost; where that is noisy the least of many is the luckiest, so that the model says it. */
static double loss_at(const struct sgp *sgp, size_t index)
{
	const struct beliefs *beliefs = &sgp->beliefs;
	struct linear_row row = {0};
	uint16_t *options;
	double mean;

	if (sgp->noises[0] > probable) {
		return effects_measured_loss(sgp->problem->criterion,
					     beliefs->trials.list[index].margin);
	}
	options = rows_options(&beliefs->effects, beliefs->trials.list[index].config);
	mean = loss_model_row(&beliefs->effects, options, &row);
	mean += linear_mean(&beliefs->loss, &row);
	linear_row_finish(&row);
	free(options);
	return mean;
}

/* Where nothing is sure: what gains and most probably meets the criterion, which the fastest of many that were measured
 * to meet it does not. SIZE_MAX where that is less probable than not. */
static size_t find_surest(const struct sgp *sgp, const double *certainties)
{
	const struct trials *trials = &sgp->beliefs.trials;
	double most = probable;
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < trials->count && proves(sgp); i++) {
		if (certainty_is_candidate(&trials->list[i]) && certainties[i] > most &&
		    value_at(sgp, i) < 1) {
			most = certainties[i];
			found = i;
		}
	}
	return found;
}

static void find_front(struct sgp *sgp)
{
	const struct trials *trials = &sgp->beliefs.trials;
	double covered;

	front_begin(&sgp->front, effects_measured_loss(sgp->problem->criterion, 1 - most_lost));
	for (size_t i = 0; i < trials->count; i++) {
		const struct known *trial = &trials->list[i];

		if (trial->state == KNOWN_TOLD && trial->trial > 0 && !isnan(trial->objective)) {
			front_add(&sgp->front, loss_at(sgp, i), objective_at(sgp, i), i);
		}
	}
	front_settle(&sgp->front);
	covered = front_covered(&sgp->front);
	if (covered > sgp->covered * (1 + least_growth)) {
		sgp->covered = covered;
		sgp->improved_at = sgp->told;
	}
}

/* The best so far: to beat, to hand over, and to look around. */
static void find_best(struct sgp *sgp)
{
	struct beliefs *beliefs = &sgp->beliefs;
	double *certainties = mem_new(beliefs->trials.count, sizeof(*certainties));
	bool hopes = !beliefs->effects.first_rules && sgp->told < sgp_state_doubts_from(sgp);
	size_t accepted, to_beat;

	certainty_find(beliefs, sgp->noises, certainties);
	accepted = fastest(sgp, certainties, sure);
	sgp->candidate = fastest(sgp, certainties, probable);
	to_beat = sgp->noises[0] > probable || hopes ? sgp->candidate : accepted;
	if (!sgp_state_is_open(sgp) &&
	    (objective_at(sgp, to_beat) < beliefs->best ||
	     objective_at(sgp, accepted) < objective_at(sgp, sgp->accepted))) {
		sgp->improved_at = sgp->told;
	}
	sgp->accepted = accepted;
	sgp->surest = find_surest(sgp, certainties);
	sgp->doubted = beliefs->effects.first_rules
			       ? SIZE_MAX
			       : most_worth(sgp, certainties, value_at(sgp, accepted));
	beliefs->best = objective_at(sgp, to_beat);
	beliefs->incumbent = to_beat != SIZE_MAX ? to_beat : trials_closest(&beliefs->trials);
	free(certainties);
}

/* What was measured stays; what is made of it is another. Who has reported knows better than an evaluator that was asked. */
static void take_report(struct sgp *sgp, const struct event *event)
{
	problem_tell(sgp->problem, event, &sgp->rescored);
	sgp->problem = &sgp->rescored;
	finish_models(&sgp->beliefs);
	effects_renew(&sgp->beliefs.effects, sgp->problem);
	begin_models(&sgp->beliefs);
	sgp->beliefs.drawn = false;
	sgp->wants_scores = false;
	sgp->score_told = true;
	sgp->learnt = 0;
	sgp->improved_at = sgp->told; /* it is as patient again */
}

static void take_score(struct sgp *sgp, const struct event *event)
{
	if (sgp->problem == &sgp->rescored) {
		return;
	}
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

	if (event_tells_scores(event)) {
		take_report(sgp, event);
		return true;
	}
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

const struct sgp *sgp_state_think(void *state)
{
	struct sgp *sgp = state;

	if (sgp->news) {
		sgp->news = false;
		fit(sgp);
		find_best(sgp);
		if (sgp_state_is_open(sgp)) {
			find_front(sgp);
		}
	}
	return sgp;
}

/* Measurements from elsewhere come by the hundred, and nobody asks in between. */
void sgp_state_apply(struct sgp *sgp, const struct event *event)
{
	bool awaited = trials_awaits(&sgp->beliefs.trials, event);

	if (event->type == EVENT_ASKED) {
		(void)sgp_state_think(sgp);
	}
	sgp->news = take(sgp, event) || sgp->news;
	if (event->type == EVENT_TOLD && awaited) {
		(void)sgp_state_think(sgp);
	}
}

void sgp_state_catch_up(struct sgp *sgp, const struct event *events, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		sgp->news = take(sgp, &events[i]) || sgp->news;
	}
	(void)sgp_state_think(sgp);
}
