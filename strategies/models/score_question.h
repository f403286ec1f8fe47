/*
 * The question for scores that strategies with expectations of options begin with.
 */
#ifndef NARROWD_STRATEGIES_MODELS_SCORE_QUESTION_H
#define NARROWD_STRATEGIES_MODELS_SCORE_QUESTION_H

#include "strategies/models/effects.h"

/* Whether there are no scores yet and the evaluator has some. */
bool score_question_wanted(const struct effects *effects, const struct problem *problem);
/* A question for the scores of all operators that can be quantized. */
void score_question_ask(const struct effects *effects, const struct problem *problem,
			struct question *out);

#endif
