/*
 * A host for strategies that does nothing but keep the strategy's contract (strategy.h), and random
 * spaces with scripted evaluators to run strategies on.
 */
#ifndef NARROWD_TESTS_UNIT_STRATEGY_RUN_H
#define NARROWD_TESTS_UNIT_STRATEGY_RUN_H

#include "strategies/interface/strategy.h"

/* A run stops asking after so many questions. */
enum { RUN_ASKS = 250 };
/* Strategies that fit models take far longer for each, so they get fewer: those are in_order. */
size_t run_limit(const struct strategy_ops *ops);

/* A space and an evaluator: what it answers depends on the config and the seed only. */
struct run_case {
	uint64_t seed;
	struct space *space;
	int64_t rules; /* of the job; 0 is 1 */
	bool open;     /* accuracy is an objective, too, for those that search the whole front */
	double failure_rate;
	int levels; /* how many different merits there are: few mean many ties */
};

struct run {
	const struct run_case *c;
	const struct strategy_ops *ops;
	struct problem problem;
	struct criterion criterion;
	struct objective objective, weighed;
	struct strategy strategy;
	struct event *events; /* all that were applied; owned */
	size_t event_count;
	struct question *asked; /* owned; trial n is asked[n - 1] */
	size_t asked_count;
	int64_t *out; /* trials asked and not shown to the strategy yet, in order; owned */
	size_t out_count;
	double **scores; /* owned */
	size_t score_count;
	struct config **suggestions; /* of the adviser; owned */
	size_t suggestion_count;
	size_t revised; /* events before this one have no failure that run_tell_late() may mend */
	bool done;
};

/* In which order results are shown that came in at random times. */
enum run_order { RUN_IN_TRIAL_ORDER, RUN_IN_ANY_ORDER };

/* 1 to 12 operators of three types in all modes, up to three calibration sizes; in every third space
 * some are tied. The caller destroys the space. */
struct run_case run_case_make(uint64_t seed);

/* Starts the strategy and shows it the baseline. */
void run_init(struct run *run, const struct run_case *c, const struct strategy_ops *ops,
	      int parallel);
void run_finish(struct run *run);
/* Asks twice, but of those that fit models at every third question; asserts that both are the same and lie in the
 * space, and keeps one. */
enum step run_ask(struct run *run);
/* Shows the result of run->out[place]. */
void run_tell(struct run *run, size_t place);
/* Shows a result for every trial whose failure was shown since the last call: somebody had it measured
 * again. Returns how many. */
size_t run_tell_late(struct run *run);
/* Goes on until the strategy is done and nothing is out, or run_limit() questions were asked. Asserts
 * that it never waits for nothing. */
void run_through(struct run *run, enum run_order order);

/* The same as the daemon does it for deterministic jobs: answers come at times that the number `delays`
 * draws, and are shown in the order of trials; to what is in_order exactly 0 .. n - parallel. */
void run_delayed(struct run *run, uint64_t delays);

/* A hash of all that is in a question. */
uint64_t run_question_hash(const struct question *question);
bool run_questions_equal(const struct question *a, const struct question *b);

#endif
