/* What becomes of an attempt that ended without an answer; private to the tuner. */
#ifndef NARROWD_TUNER_ATTEMPT_H
#define NARROWD_TUNER_ATTEMPT_H

#include "tuner/parts.h"

/* Why an attempt is over without an answer. */
struct attempt_end {
	enum logged type; /* of the event */
	const char *error;
	bool retryable;
	bool later, broken, blameless; /* as of struct endpoint_result */
	enum answer_fault fault;       /* of an answer that cannot be used */
	bool at_once;                  /* when retried: without a pause */
	int64_t retry_after_ms;
	const char *hash; /* of the answer that says so, when it came by itself; or NULL */
};

/* The attempt is over: another one follows, or the trial has failed. When the evaluator is not well
 * the trial waits for a place at one that is. */
void attempt_fail(struct flight *flight, const struct attempt_end *why);
/* Whether such an answer to it is the fault of who gave it. */
bool attempt_blames(const struct flight *flight, enum answer_fault fault);
/* Somebody answers what cannot be used. The job is paused when there are no others, or when it has not begun;
 * else it is warned. */
void attempt_accuse(struct run *run, const char *who, const char *error, bool others);
/* Whether the trial has failed now because its question was put off for too long. */
bool attempt_lost_patience(struct flight *flight);
/* Fails the trial because somebody asked for it. */
void attempt_give_up(struct run *run, struct trial *trial);

#endif
