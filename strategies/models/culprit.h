/*
 * Who is to blame when configs cannot be run: an operator that has no kernel for a mode.
 *
 * Suspects are the modes that operators were lowered to in a config that failed, but for those that ran in
 * another one. A single suspect is the culprit and is banned. Several are told apart by group tests: half of
 * them lowered, everything else in high precision. Types of operators are halved first, and where three
 * operators of a type are culprits and none ever ran in the mode the whole type is.
 */
#ifndef NARROWD_STRATEGIES_MODELS_CULPRIT_H
#define NARROWD_STRATEGIES_MODELS_CULPRIT_H

#include "space/bans.h"
#include "space/config_set.h"
#include "strategies/interface/strategy.h"

/* A trial that failed; its config is the event's. */
struct failure {
	int64_t trial;
	const struct config *config;
};

/* An operator in a mode that it may be in or not. */
struct suspect {
	uint32_t op, type;
	uint16_t choice;
	uint8_t mode; /* enum mode */
};

/* Those of one type in one mode are together. */
struct suspects {
	struct suspect *list; /* owned */
	size_t count;
};

struct culprit {
	const struct space *space; /* borrowed; NULL: nobody is blamed */
	bool *ran;                 /* op_count x MODE_COUNT: in some config; owned */
	struct failure *failures;  /* owned */
	size_t failure_count;
	int64_t *out; /* trials of configs that are without an answer; owned */
	size_t out_count;
	struct suspects found; /* culprits that failures isolated */
	struct bans bans;      /* these, and types that are to blame as a whole */
};

/* Under rules 1 nobody is blamed. */
void culprit_init(struct culprit *culprit, const struct problem *problem);
void culprit_finish(struct culprit *culprit);
void culprit_apply(struct culprit *culprit, const struct event *event);
/* STEP_ASK with a group test, whose config is not in `seen`; STEP_WAIT while those that would tell are out;
 * STEP_DONE when there is nobody to be found. */
enum step culprit_next(const struct culprit *culprit, const struct config_set *seen,
		       struct question *out);
/* STEP_DONE for who has nothing more to ask; STEP_WAIT while a failure may change that. */
enum step culprit_end(const struct culprit *culprit);
/* Whether a config has a culprit, or somebody who may be one: its failure says nothing of the rest. */
bool culprit_blames(const struct culprit *culprit, const struct config *config);

#endif
