/* Asks for scores in the way that tells most among those that the evaluator answers. */
#include "strategies/models/score_question.h"

#include <stdlib.h>

#include "base/mem.h"

/* What tells options apart is best; the first that the evaluator answers. */
static const struct {
	const char *answer, *method;
	bool per_option;
} score_kinds[] = {
	{"score:mse_v2:options", "mse_v2", true},
	{"score:hawq_v2:options", "hawq_v2", true},
	{"score:mse:options", "mse", true},
	{"score:hawq_v2", "hawq_v2", false},
	{"score:mse", "mse", false},
};
enum { SCORE_KINDS = sizeof(score_kinds) / sizeof(score_kinds[0]) };

static int find_score_kind(const struct problem *problem)
{
	int i = 0;

	while (i < SCORE_KINDS && !problem_answers(problem, score_kinds[i].answer)) {
		i++;
	}
	return i;
}

bool score_question_wanted(const struct effects *effects, const struct problem *problem)
{
	uint32_t *ops = mem_new(effects->op_count, sizeof(*ops));
	bool wanted = !effects->scored && effects_quantizable(effects, ops) > 0 &&
		      find_score_kind(problem) < SCORE_KINDS;

	free(ops);
	return wanted;
}

void score_question_ask(const struct effects *effects, const struct problem *problem,
			struct question *out)
{
	int kind = find_score_kind(problem);

	out->kind = QUESTION_SCORE;
	out->stage = "score";
	out->method = score_kinds[kind].method;
	out->per_option = score_kinds[kind].per_option;
	out->config = config_from_changes(effects->space, NULL, 0);
	out->ops = mem_new(effects->op_count, sizeof(*out->ops));
	out->op_count = effects_quantizable(effects, out->ops);
}
