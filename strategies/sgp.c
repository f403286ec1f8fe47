/*
 * The strategy sgp: asks what promises most by models of the loss and of the latency that learn from each trial.
 *
 * Two structured models, of the loss and of the latency, say for any config how likely it meets the
 * criterion and how fast it is expected to be (acquire.h says what is asked then).
 *
 * Without scores the model of the loss is too simple to say where it is lost: then draws take its place
 * (draws.h), as soon as a trial has met the criterion. Until then the way is down, and it knows that.
 *
 * The baseline is a candidate for the best from the start: what is not faster improves nothing.
 * Whether measurements are noisy is not known either: as long as they do not look so, what was measured
 * to meet the criterion is what is to be beaten, but only what surely meets it is handed over, or
 * what does most surely. Where the two differ, the former is measured again (repeats.h; under rules 1 every fifth
 * question is a near copy of it, near_copy.h). Once that has shown noise, what could not be proved is of no use: what is
 * asked for then loses less than may be lost, and what is measured again is what can be proved.
 *
 * When the models mislead, so that nothing has met the criterion after some trials, every second
 * question puts the operators that are believed most sensitive back, twice as many each time.
 */
#include "strategies/registry.h"

#include <math.h>

#include "strategies/models/fall_back.h"
#include "strategies/models/last_tests.h"
#include "strategies/models/near_copy.h"
#include "strategies/models/opening.h"
#include "strategies/sgp_state.h"
#include "strategies/models/score_question.h"

enum {
	PATIENCE = 5, /* trials without improvement before it may stop; in doubt twice as many */
	LEAST_TRIALS = 10,
	COPY_EVERY = 5, /* questions, while it is in doubt whether the best meets the criterion */
	TEST_EVERY = 3,
	REPEAT_EVERY = 3, /* questions; the first at once: it says whether there is noise */
};

/* Stops when no more than this share of the best objective is to be gained by a trial. */
static const double least_gain = 0.002;

static size_t state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct sgp);
}

static int init(void *state, const struct problem *problem, const struct args *args,
		struct err *reterr)
{
	(void)args;
	(void)reterr;
	sgp_state_init(state, problem);
	return 0;
}

static void finish(void *state)
{
	sgp_state_finish(state);
}

static void apply(void *state, const struct event *event)
{
	sgp_state_apply(state, event);
}

/* What the models are asked for. */
struct aim {
	struct beliefs beliefs; /* sgp's, with what is to be beaten; nothing of it is owned */
	double score;           /* what is expected of the question, in logarithms, or INFINITY */
};

/*
 * The best so far is to be beaten; on a front the best of another tolerance with each question. Summed over all
 * tolerances, what is expected to improve on their best is how much more the front is expected to cover.
 */
static struct aim take_aim(const struct sgp *sgp)
{
	struct aim aim = {sgp->beliefs, INFINITY};
	const struct trials *trials = &aim.beliefs.trials;
	struct front_point point;

	aim.beliefs.limit = sgp_state_provable(sgp);
	if (sgp_state_is_open(sgp)) {
		aim.beliefs.limit =
			front_tolerance(&sgp->front, trials->count + trials->repeat_count);
		point = front_at(&sgp->front, aim.beliefs.limit);
		aim.beliefs.best = point.objective;
		aim.beliefs.incumbent =
			point.index != SIZE_MAX ? point.index : trials_closest(trials);
	}
	return aim;
}

/* Again, to find out how sure it is; NULL when nothing is in doubt. */
static struct config *repeat(const struct sgp *sgp)
{
	const struct trials *trials = &sgp->beliefs.trials;
	size_t every = trials->repeat_count > 0 ? REPEAT_EVERY : 1;
	bool turn = (trials->count + trials->repeat_count) % every == 0;

	return turn && sgp_state_doubts(sgp) && sgp->doubted != SIZE_MAX &&
			       sgp->told >= sgp_state_doubts_from(sgp)
		       ? config_copy(trials->list[sgp->doubted].config)
		       : NULL;
}

/* NULL when it is not its turn, when nothing is in doubt or when there is none. */
static struct config *near_copy(const struct sgp *sgp)
{
	if (!sgp->beliefs.effects.first_rules) {
		return NULL;
	}
	return sgp->beliefs.trials.count % COPY_EVERY == 0 && sgp_state_doubts(sgp)
		       ? near_copy_make(&sgp->beliefs, sgp->candidate)
		       : NULL;
}

/*
 * Once the model's patience is over, every third question is one that it did not choose, and all are while it
 * expects nothing more; the question then takes the place of its own. True when all of that has failed, too.
 */
static bool is_over(const struct sgp *sgp, const struct aim *aim, struct rng *rng,
		    struct question *out)
{
	const struct beliefs *beliefs = &aim->beliefs;
	size_t most = last_tests_count(&sgp->beliefs.effects), late;
	size_t patience = sgp_state_doubts(sgp) ? 2 * PATIENCE : PATIENCE;
	bool content = aim->score < log(least_gain * beliefs->best);
	struct config *test = NULL;

	if (sgp->told < LEAST_TRIALS || sgp->told < sgp->improved_at + patience) {
		return false;
	}
	late = sgp->told - sgp->improved_at - patience;
	if (content && (sgp->beliefs.effects.first_rules || late >= TEST_EVERY * most)) {
		return true;
	}
	if (!sgp->beliefs.effects.first_rules && (content || late % TEST_EVERY == 0)) {
		test = last_tests_make(beliefs, content ? late % most : late / TEST_EVERY, rng,
				       &out->stage);
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
	out->config = opening_make(&sgp->beliefs.effects, &sgp->beliefs.trials, sgp->problem);
	return out->config != NULL;
}

/* Whose turn it is says what to ask. */
static void think(const struct sgp *sgp, struct aim *aim, struct rng *rng, struct question *out)
{
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
		out->stage = sgp_state_is_open(sgp) ? "front" : "sgp";
		out->config = acquire_config(&aim->beliefs, rng, &aim->score);
	}
	if (out->config == NULL) {
		out->config = config_set_draw_other(&sgp->beliefs.trials.seen,
						    &sgp->beliefs.trials.product, rng);
	}
}

/*
 * Whoever only waits does not think, for that leaves traces: where measurements from elsewhere come while it waits, a
 * restart, which asks it no more often than the log says, would think once where it had thought twice.
 */
static enum step next(const void *state, struct rng rng, struct question *out)
{
	const struct sgp *sgp = state;
	enum step step;
	struct aim aim;

	if (sgp->score_asked && !sgp->score_told) {
		return STEP_WAIT;
	}
	if (sgp->wants_scores && !sgp->score_asked) {
		score_question_ask(&sgp->beliefs.effects, sgp->problem, out);
		return STEP_ASK;
	}
	out->whole = sgp_state_is_open(sgp);
	step = culprit_next(&sgp->beliefs.trials.culprit, &sgp->beliefs.trials.seen, out);
	if (step != STEP_DONE) {
		return step;
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
	sgp = sgp_state_think((void *)state);
	aim = take_aim(sgp);
	think(sgp, &aim, &rng, out);
	if (out->config == NULL && culprit_end(&sgp->beliefs.trials.culprit) == STEP_WAIT) {
		return STEP_WAIT;
	}
	if (out->config != NULL && !is_over(sgp, &aim, &rng, out)) {
		return STEP_ASK;
	}
	config_destroy(out->config);
	out->config = NULL;
	return sgp->met ? STEP_CONTENT : STEP_DONE;
}

static int64_t choose(const void *state)
{
	const struct sgp *sgp = sgp_state_think((void *)state);
	size_t choice = sgp->accepted != SIZE_MAX ? sgp->accepted : sgp->surest;

	return choice != SIZE_MAX ? sgp->beliefs.trials.list[choice].trial : 0;
}

const struct strategy_ops sgp_strategy = {
	.abi = STRATEGY_ABI,
	.version = 11,
	.name = "sgp",
	.summary = "Learns what each operator costs in accuracy and gains in time, and asks where "
		   "most is to be gained.",
	.when = "When trials are dear, whatever the size of the model; better still when the "
		"evaluator gives scores or the capability says how long operators take.",
	.in_order = true,
	.traits = STRATEGY_ONE_SIZE | STRATEGY_FRONT | STRATEGY_SCORES,
	.state_size = state_size,
	.init = init,
	.apply = apply,
	.next = next,
	.finish = finish,
	.choose = choose,
};
