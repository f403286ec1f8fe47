/* Passes events and questions between a job and its strategy, and keeps what is not applied yet. */
#include "strategies/interface/strategy.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

const char *const question_kind_names[] = {
	[QUESTION_BASELINE] = "baseline", [QUESTION_EVALUATE] = "evaluate",
	[QUESTION_SCORE] = "score",       [QUESTION_CONFIRM] = "confirm",
	[QUESTION_BEGIN] = "begin",       [QUESTION_SUGGEST] = "suggest",
	[QUESTION_OBSERVE] = "observe",   NULL,
};

void question_finish(struct question *question)
{
	config_destroy(question->config);
	free(question->ops);
	memset(question, 0, sizeof(*question));
}

int strategy_init(struct strategy *strategy, const struct strategy_ops *ops,
		  const struct problem *problem, const struct args *args, struct err *reterr)
{
	int rc;

	assert(ops->abi == STRATEGY_ABI);
	strategy->ops = ops;
	strategy->seed = problem->seed;
	strategy->asked = 0;
	strategy->later = NULL;
	strategy->later_count = strategy->later_done = 0;
	strategy->space = problem->space;
	strategy->told = NULL;
	strategy->state = mem_new(1, ops->state_size(problem));
	rc = ops->init(strategy->state, problem, args, reterr);
	if (rc != 0) {
		free(strategy->state);
		strategy->state = NULL;
	}
	return rc;
}

static void forget_later(struct strategy *strategy)
{
	for (size_t i = strategy->later_done; i < strategy->later_count; i++) {
		rescore_destroy(strategy->later[i].scores);
	}
	free(strategy->later);
	strategy->later = NULL;
	strategy->later_count = strategy->later_done = 0;
}

void strategy_finish(struct strategy *strategy)
{
	forget_later(strategy);
	if (strategy->state != NULL) {
		if (strategy->ops->finish != NULL) {
			strategy->ops->finish(strategy->state);
		}
		free(strategy->state);
		strategy->state = NULL;
	}
	rescored_destroy(strategy->told);
	strategy->told = NULL;
}

void strategy_apply(struct strategy *strategy, const struct event *event)
{
	strategy->asked += event->type == EVENT_ASKED;
	strategy->ops->apply(strategy->state, event);
}

/* Until the strategy has heard of the next space it looks at the one before. */
static void apply_late(struct strategy *strategy, struct late_event *late)
{
	struct space *before = strategy->told;

	if (late->scores == NULL) {
		strategy_apply(strategy, &late->event);
		return;
	}
	strategy->told = rescored_create(strategy->space, late->scores);
	rescore_destroy(late->scores);
	late->scores = NULL;
	late->event.space = strategy->told;
	strategy_apply(strategy, &late->event);
	rescored_destroy(before);
}

static void leave_for_later(struct strategy *strategy, struct late_event late)
{
	if (strategy->ops->holds != NULL || strategy->ops->owes != NULL) {
		apply_late(strategy, &late);
		return;
	}
	if ((strategy->later_count & (strategy->later_count - 1)) == 0) {
		strategy->later =
			mem_grow(strategy->later, 2 * strategy->later_count + 1, sizeof(late));
	}
	strategy->later[strategy->later_count++] = late;
}

void strategy_apply_later(struct strategy *strategy, const struct event *event)
{
	leave_for_later(strategy, (struct late_event){.event = *event});
}

void strategy_tell_scores(struct strategy *strategy, struct rescore *scores)
{
	leave_for_later(strategy, (struct late_event){
					  .event = {.type = EVENT_TOLD, .kind = QUESTION_SCORE},
					  .scores = scores,
				  });
}

bool strategy_is_behind(const struct strategy *strategy)
{
	return strategy->later_count > 0;
}

bool strategy_catch_up(struct strategy *strategy, const atomic_bool *stop)
{
	while (strategy->later_done < strategy->later_count) {
		if (stop != NULL && atomic_load(stop)) {
			return false;
		}
		apply_late(strategy, &strategy->later[strategy->later_done++]);
	}
	forget_later(strategy);
	return true;
}

enum step strategy_next(const struct strategy *strategy, struct question *out)
{
	assert(!strategy_is_behind(strategy));
	memset(out, 0, sizeof(*out));
	return strategy->ops->next(strategy->state,
				   rng_make(strategy->seed, RNG_SEARCH, strategy->asked), out);
}

bool strategy_holds(const struct strategy *strategy)
{
	return strategy->ops->holds != NULL && strategy->ops->holds(strategy->state);
}

bool strategy_owes(const struct strategy *strategy)
{
	return strategy->ops->owes != NULL && strategy->ops->owes(strategy->state);
}

int64_t strategy_choice(const struct strategy *strategy)
{
	return strategy->ops->choose != NULL ? strategy->ops->choose(strategy->state) : 0;
}

void problem_tell(const struct problem *problem, const struct event *event, struct problem *to)
{
	*to = *problem;
	to->space = event->space;
}

bool problem_answers(const struct problem *problem, const char *what)
{
	const char *const *answer = problem->answers;

	while (answer != NULL && *answer != NULL && strcmp(*answer, what) != 0) {
		answer++;
	}
	return answer != NULL && *answer != NULL;
}

void args_init(struct args *args, const struct param *params)
{
	memset(args, 0, sizeof(*args));
	for (size_t i = 0; params != NULL && params[i].name != NULL; i++) {
		args->numbers[i] = params[i].fallback;
		args->texts[i] = params[i].text_fallback;
	}
}
