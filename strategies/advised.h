/*
 * Strategies whose decisions are made elsewhere: an adviser suggests configs and hears what came
 * of them.
 *
 * The adviser is told of the job (QUESTION_BEGIN), then asked for one config at a time
 * (QUESTION_SUGGEST), each is evaluated, and its result or failure is reported (QUESTION_OBSERVE)
 * before the next question goes out. All answers are events, so a replay asks nobody again.
 */
#ifndef NARROWD_STRATEGIES_ADVISED_H
#define NARROWD_STRATEGIES_ADVISED_H

#include "strategies/interface/strategy.h"

/* Where the arguments that every adviser has stand in its strategy's table, and those of sigopt. */
enum advised_arg {
	ADVISED_URL,
	ADVISED_SECRET,
	ADVISED_TIMEOUT,
	SIGOPT_PROJECT,
	SIGOPT_NAME,
	SIGOPT_FALLBACK,
};

/* Members of strategy_ops for whoever has an adviser. */
size_t advised_state_size(const struct problem *problem);
int advised_init(void *state, const struct problem *problem, const struct args *args,
		 struct err *reterr);
void advised_apply(void *state, const struct event *event);
enum step advised_next(const void *state, struct rng rng, struct question *out);
void advised_finish(void *state);
bool advised_owes(const void *state);

#endif
