/*
 * A kit for tests of strategies that learn: a search on a problem that is a function in C.
 */
#ifndef NARROWD_TESTS_UNIT_SEARCH_KIT_H
#define NARROWD_TESTS_UNIT_SEARCH_KIT_H

#include "strategies/interface/strategy.h"

/* What a config is worth: `choices` as config_expand() writes them. */
struct search_result {
	double margin, objective;
	uint64_t repeat; /* given: how often the config was measured before */
	bool failed;     /* it cannot be run: the rest says nothing */
};
typedef void search_evaluate(const uint16_t *choices, size_t count, struct search_result *ret);

struct search_setting {
	const char *name; /* of a parameter; NULL ends a list */
	double number;
	const char *text;
};

struct search {
	struct space *space; /* borrowed */
	struct problem problem;
	struct criterion criterion;
	struct objective objective, weighed;
	struct strategy strategy;
	struct question *asked; /* owned; trial n is asked[n - 1] */
	size_t asked_count;
	double best; /* smallest objective of a feasible trial or the baseline, whose is 1 */
};

/* Starts the strategy and shows it a baseline with an objective of 1 and a margin of 1. */
void search_init(struct search *search, struct space *space, const char *strategy, uint64_t seed,
		 const struct search_setting *settings);
/* The same where accuracy is an objective, too, as much as what it asks for. */
void search_init_open(struct search *search, struct space *space, const char *strategy,
		      uint64_t seed, const struct search_setting *settings);
void search_finish(struct search *search);
/* Asks once, and shows the question as asked; asserts that it is new and, at every third, the same when
 * asked twice. False when the strategy has nothing more to ask. */
bool search_ask(struct search *search);
/* Shows the strategy what trial `number` (from 1) gave. */
void search_tell(struct search *search, size_t number, search_evaluate *evaluate);
/* Asks and tells `count` times, or until there is nothing more to ask. */
void search_run(struct search *search, size_t count, search_evaluate *evaluate);

/* Shows a search that has asked nothing what another one asked and was told, one after the other. */
void search_replay(struct search *search, const struct search *other, search_evaluate *evaluate);

#endif
