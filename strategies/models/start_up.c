/* Chooses what models of no structure ask first. */
#include "strategies/models/start_up.h"

void start_up_init(struct start_up *start_up, const struct problem *problem,
		   const struct trials *trials, bool opens, size_t draws)
{
	*start_up = (struct start_up){
		.problem = problem, .trials = trials, .opens = opens, .draws = draws};
	effects_init(&start_up->effects, problem);
	start_up->effects.bans = &trials->culprit.bans;
}

void start_up_finish(struct start_up *start_up)
{
	effects_finish(&start_up->effects);
}

enum step start_up_next(const struct start_up *start_up, struct rng *rng, struct question *out)
{
	const struct trials *trials = start_up->trials;
	enum step step = culprit_next(&trials->culprit, &trials->seen, out);

	if (step != STEP_DONE) {
		return step;
	}
	out->kind = QUESTION_EVALUATE;
	out->stage = "opening";
	if (start_up->opens) {
		out->config = opening_make(&start_up->effects, trials, start_up->problem);
	}
	if (out->config == NULL) {
		out->config = trials_begin(trials, start_up->draws, rng, &out->stage);
	}
	return out->config != NULL ? STEP_ASK : STEP_DONE;
}
