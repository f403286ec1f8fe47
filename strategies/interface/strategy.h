/*
 * Strategies as the daemon runs them. What a strategy is, and what is promised to it, stands in
 * narrowd/strategy.h, which plug-ins see as well.
 */
#ifndef NARROWD_STRATEGIES_INTERFACE_STRATEGY_H
#define NARROWD_STRATEGIES_INTERFACE_STRATEGY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/rng.h"
#include "narrowd/strategy.h"
#include "space/config.h"
#include "strategies/interface/criterion.h"
#include "strategies/interface/objective.h"
#include "space/rescored.h"
#include "space/space.h"

/* Whether an adviser answers, not an evaluator. */
static inline bool question_is_advice(enum question_kind kind)
{
	return kind >= QUESTION_BEGIN;
}

/* Whether somebody tells scores that were made elsewhere. */
static inline bool event_tells_scores(const struct event *event)
{
	return event->kind == QUESTION_SCORE && event->space != NULL;
}

extern const char *const question_kind_names[]; /* NULL-terminated */

void question_finish(struct question *question);

/* The same problem with what is known of scores by such an event. `to` may be `problem`. */
void problem_tell(const struct problem *problem, const struct event *event, struct problem *to);
bool problem_answers(const struct problem *problem, const char *what);

/* An event that is to be applied. */
struct late_event {
	struct event event; /* what it points to is not owned */
	struct rescore *
		scores; /* what its space is made of when it is applied; NULL: it is as it stands; owned */
};

/* A strategy and its state. */
struct strategy {
	const struct strategy_ops *ops;
	void *state;
	uint64_t seed;
	uint64_t asked; /* questions applied so far: numbers the generator */
	/* Events that are to be applied before anything is asked of the state. */
	struct late_event *later; /* owned */
	size_t later_count;
	size_t later_done;         /* of these, applied by now */
	const struct space *space; /* of its problem; borrowed */
	struct space
		*told; /* with the scores it was told last; owned, NULL when it was told none */
};

int strategy_init(struct strategy *strategy, const struct strategy_ops *ops,
		  const struct problem *problem, const struct args *args, struct err *reterr);
void strategy_finish(struct strategy *strategy);
void strategy_apply(struct strategy *strategy, const struct event *event);
/*
 * The same, but those that learn, which nobody asks anything between two questions, do it when they
 * are asked next: fitting a model takes what it takes, on whatever thread. What the event points to
 * stays as it is until then.
 */
void strategy_apply_later(struct strategy *strategy, const struct event *event);
/*
 * The same for scores that somebody tells. Takes them. The space that the event has is made when it is applied, and goes
 * when the next one has been: a job has one, however often it is told.
 */
void strategy_tell_scores(struct strategy *strategy, struct rescore *scores);
bool strategy_is_behind(const struct strategy *strategy);
/* Applies what is left for later, one by one until `*stop`; NULL: all. Whether it is all applied. */
bool strategy_catch_up(struct strategy *strategy, const atomic_bool *stop);
/* Twice gives the same answer. Not while it is behind. Any thread, one at a time. */
enum step strategy_next(const struct strategy *strategy, struct question *out);
/* These two of strategies that learn are false, whatever is left for later. */
bool strategy_holds(const struct strategy *strategy);
bool strategy_owes(const struct strategy *strategy);
/* Not while it is behind. */
int64_t strategy_choice(const struct strategy *strategy);

/* Every strategy there is, NULL-terminated; and by name, NULL when unknown. */
extern const struct strategy_ops *strategies[];
const struct strategy_ops *strategy_find(const char *name);
/* The name that somebody means who wrote another one: INC's spelling, or a typing error. NULL when
 * there is nothing like it. */
const char *strategy_like(const char *name);
/* Fills args with the fallbacks of the table. */
void args_init(struct args *args, const struct param *params);

#endif
