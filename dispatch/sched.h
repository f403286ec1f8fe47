/*
 * The scheduler: places at evaluators, given out fairly and only at those that are well.
 *
 * Each evaluator has as many places as it takes questions at once. A job takes a place before it
 * asks its strategy and keeps it until the answer is in: at the evaluator that has the largest part
 * of its places free, when it may ask several. Jobs that find none queue up at each; a place that
 * gets free goes to the owner whose turn it is (turns.h), and there to the job that has waited for
 * longest. Nobody is given a place at an evaluator whose breaker is open. Loop thread; times in ms of one clock.
 */
#ifndef NARROWD_DISPATCH_SCHED_H
#define NARROWD_DISPATCH_SCHED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/given_clock.h"
#include "base/list.h"
#include "base/map.h"
#include "dispatch/evaluator.h"

struct sched {
	const struct clock *clock;
	struct map by_name; /* -> struct evaluator * */
	size_t waiting;
	size_t down; /* evaluators that are not well */
};

struct sched_stool;

/* Somebody who takes places; embedded by its owner. */
struct sched_seat {
	struct sched *sched;
	const char *owner;          /* borrowed */
	struct sched_stool *stools; /* one at each evaluator; owned */
	size_t count;
	bool waits;
	int64_t waits_since_ms; /* wall clock; when it joined the queues last */
	int reserved; /* the evaluator where a place was kept for it when its turn came, or -1 */
	void (*turn)(void *arg);
	void *arg;
};

struct sched_offer {
	const char *name;
	size_t places;
};

/* `clock` is borrowed. */
void sched_init(struct sched *sched, const struct clock *clock);
void sched_finish(struct sched *sched);
/* `turn` is called when a place is reserved, and from time to time while none can be because nobody
 * is well; it must then take or leave soon. */
void sched_seat_init(struct sched *sched, struct sched_seat *seat, const char *owner,
		     const struct sched_offer *offers, size_t count, void (*turn)(void *arg),
		     void *arg);
/* Once all its places have been given back. */
void sched_seat_finish(struct sched_seat *seat);
/* The number of the offer whose place was taken; -1 when the seat is in the queues instead. */
int sched_take(struct sched_seat *seat);
/* The same, at this offer rather than at another one if it has a place now. */
int sched_take_at(struct sched_seat *seat, int offer);
/* Whether one could be taken. */
bool sched_has_place(const struct sched_seat *seat);
/* Takes a place even when there is none: for questions that were out before a restart. */
void sched_force(struct sched_seat *seat, int offer);
/* A place at another evaluator instead of this one, if one is free; returns where it is now. */
int sched_move(struct sched_seat *seat, int offer);
void sched_give_back(struct sched_seat *seat, int offer);
/* The seat gets no place at this evaluator until then (monotonic ms). Whether another one of its evaluators is well. */
bool sched_leave_out(struct sched_seat *seat, int offer, int64_t until_ms);
/* None is left out any more. */
void sched_readmit(struct sched_seat *seat);
/* Wants no place any more: leaves the queues and gives back a reserved place. */
void sched_leave(struct sched_seat *seat);

/* What becomes of a question that goes out under a place: it was sent, */
void sched_asked(struct sched_seat *seat, int offer);
/* ... it was accepted, to be answered later, */
void sched_accepted(struct sched_seat *seat, int offer);
/* ... an answer came after so many seconds, */
void sched_answered(struct sched_seat *seat, int offer, double seconds);
/* ... what came is no answer, which may mean that the evaluator is `broken`. */
void sched_failed(struct sched_seat *seat, int offer, const char *error, bool broken);
/* Whether the evaluator is well. */
bool sched_is_well(const struct sched_seat *seat, int offer);
/* The offer whose evaluator went down last when none that the seat may ask is well; -1 otherwise. */
int sched_down(const struct sched_seat *seat);
const struct evaluator *sched_offered(const struct sched_seat *seat, int offer);
/* For how long nobody that the seat may ask has been well, and what the last of them said; -1 when
 * somebody is. */
int64_t sched_down_ms(const struct sched_seat *seat, const char **ret_error);
/* Lets one question out to each evaluator that is not well, to see how it is. */
void sched_probe(struct sched *sched);
/* NULL for one that no job may ask and that never was asked. */
const struct evaluator *sched_evaluator(const struct sched *sched, const char *name);
/* Somebody else found it well. */
void sched_well(struct sched *sched, const char *name);

#endif
