/* Gives places at evaluators to jobs in turn, and takes them back. */
#include "dispatch/sched.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"

struct sched_stool {
	struct list waiting; /* in the evaluator's queue */
	struct sched_seat *seat;
	struct evaluator *evaluator;
	int64_t out_until_ms; /* the seat leaves it out until then, monotonic */
};

static struct evaluator *slot_evaluator(const struct sched *sched, size_t i)
{
	return (struct evaluator *)sched->by_name.slots[i].value; /* NOLINT */
}

static struct evaluator *find(const struct sched *sched, const char *name)
{
	return (struct evaluator *)map_get(&sched->by_name, name, 0); /* NOLINT */
}

void sched_init(struct sched *sched, const struct clock *clock)
{
	*sched = (struct sched){.clock = clock};
	map_init(&sched->by_name);
}

void sched_finish(struct sched *sched)
{
	for (size_t i = 0; i < sched->by_name.capacity; i++) {
		if (sched->by_name.slots[i].key != NULL) {
			evaluator_destroy(slot_evaluator(sched, i));
		}
	}
	map_finish(&sched->by_name);
}

void sched_seat_init(struct sched *sched, struct sched_seat *seat, const char *owner,
		     const struct sched_offer *offers, size_t count, void (*turn)(void *arg),
		     void *arg)
{
	*seat = (struct sched_seat){.sched = sched,
				    .owner = owner,
				    .count = count,
				    .reserved = -1,
				    .turn = turn,
				    .arg = arg};
	seat->stools = mem_new(count, sizeof(*seat->stools));
	for (size_t i = 0; i < count; i++) {
		struct evaluator *evaluator = find(sched, offers[i].name);

		if (evaluator == NULL) {
			evaluator = evaluator_create(offers[i].name);
			map_set(&sched->by_name, evaluator->name, (intptr_t)evaluator);
		}
		evaluator->limit = offers[i].places;
		evaluator->seats++;
		seat->stools[i] = (struct sched_stool){.seat = seat, .evaluator = evaluator};
		list_init(&seat->stools[i].waiting);
	}
}

/* A pool is nothing without its jobs; what a URL did is kept. */
static void forget(struct sched *sched, struct evaluator *evaluator)
{
	if (evaluator->seats == 0 && evaluator->asked == 0) {
		map_remove(&sched->by_name, evaluator->name);
		evaluator_destroy(evaluator);
	}
}

static void leave_queues(struct sched_seat *seat)
{
	for (size_t i = 0; i < seat->count; i++) {
		list_remove(&seat->stools[i].waiting);
	}
	seat->sched->waiting -= seat->waits;
	seat->waits = false;
}

static bool is_left_out(const struct sched_stool *stool)
{
	return stool->out_until_ms > mono_of(stool->seat->sched->clock);
}

static void join_queues(struct sched_seat *seat)
{
	if (seat->waits) {
		return;
	}
	for (size_t i = 0; i < seat->count; i++) {
		if (!is_left_out(&seat->stools[i])) {
			turns_join(&seat->stools[i].evaluator->queue, seat->owner,
				   &seat->stools[i].waiting);
		}
	}
	seat->sched->waiting++;
	seat->waits = true;
	seat->waits_since_ms = wall_of(seat->sched->clock);
}

static void take(struct evaluator *evaluator)
{
	evaluator->used++;
	breaker_enter(&evaluator->breaker);
}

static bool somebody_waits(struct evaluator *evaluator)
{
	return turns_next(&evaluator->queue, NULL, NULL) != NULL;
}

/* Keeps places for those whose turn it is. */
static void serve(struct evaluator *evaluator)
{
	while (evaluator_has_place(evaluator) && somebody_waits(evaluator)) {
		struct sched_stool *stool = list_entry(turns_next(&evaluator->queue, NULL, NULL),
						       struct sched_stool, waiting);
		struct sched_seat *seat = stool->seat;

		leave_queues(seat);
		turns_served(&evaluator->queue, seat->owner);
		take(evaluator);
		seat->reserved = (int)(stool - seat->stools);
		seat->turn(seat->arg);
	}
}

void sched_seat_finish(struct sched_seat *seat)
{
	sched_leave(seat);
	for (size_t i = 0; i < seat->count; i++) {
		seat->stools[i].evaluator->seats--;
		forget(seat->sched, seat->stools[i].evaluator);
	}
	free(seat->stools);
}

/* The part of its places that are taken. */
static double load(const struct evaluator *evaluator)
{
	return (double)evaluator->used / (double)evaluator->limit;
}

/* The one with most room that is well and that nobody waits for, but not `other`; -1 for none. */
static int find_place(const struct sched_seat *seat, int other)
{
	int best = -1;

	for (int i = 0; i < (int)seat->count; i++) {
		struct evaluator *e = seat->stools[i].evaluator;

		if (i != other && !is_left_out(&seat->stools[i]) && evaluator_has_place(e) &&
		    !somebody_waits(e) &&
		    (best < 0 || load(e) < load(seat->stools[best].evaluator))) {
			best = i;
		}
	}
	return best;
}

bool sched_has_place(const struct sched_seat *seat)
{
	return seat->reserved >= 0 || find_place(seat, -1) >= 0;
}

int sched_take(struct sched_seat *seat)
{
	int place = seat->reserved;

	if (place >= 0) {
		seat->reserved = -1;
		return place;
	}
	place = find_place(seat, -1);
	if (place >= 0) {
		leave_queues(seat);
		take(seat->stools[place].evaluator);
	} else {
		join_queues(seat);
	}
	return place;
}

int sched_take_at(struct sched_seat *seat, int offer)
{
	struct evaluator *evaluator = seat->stools[offer].evaluator;

	if (seat->reserved >= 0 || !evaluator_has_place(evaluator) || somebody_waits(evaluator)) {
		return sched_take(seat);
	}
	leave_queues(seat);
	take(evaluator);
	return offer;
}

bool sched_leave_out(struct sched_seat *seat, int offer, int64_t until_ms)
{
	seat->stools[offer].out_until_ms = until_ms;
	list_remove(&seat->stools[offer].waiting);
	for (size_t i = 0; i < seat->count; i++) {
		if (!is_left_out(&seat->stools[i]) &&
		    sched_offered(seat, (int)i)->breaker.state == BREAKER_CLOSED) {
			return true;
		}
	}
	return false;
}

void sched_readmit(struct sched_seat *seat)
{
	for (size_t i = 0; i < seat->count; i++) {
		seat->stools[i].out_until_ms = 0;
	}
}

int sched_move(struct sched_seat *seat, int offer)
{
	int place = find_place(seat, offer);

	if (place < 0) {
		return offer;
	}
	take(seat->stools[place].evaluator);
	sched_give_back(seat, offer);
	return place;
}

void sched_force(struct sched_seat *seat, int offer)
{
	seat->stools[offer].evaluator->used++;
}

void sched_give_back(struct sched_seat *seat, int offer)
{
	struct evaluator *evaluator = seat->stools[offer].evaluator;

	evaluator->used--;
	breaker_leave(&evaluator->breaker);
	serve(evaluator);
}

void sched_leave(struct sched_seat *seat)
{
	int reserved = seat->reserved;

	leave_queues(seat);
	if (reserved >= 0) {
		seat->reserved = -1;
		sched_give_back(seat, reserved);
	}
}

void sched_asked(struct sched_seat *seat, int offer)
{
	seat->stools[offer].evaluator->asked++;
}

static void is_well(struct sched *sched, struct evaluator *evaluator)
{
	if (breaker_answered(&evaluator->breaker)) {
		sched->down--;
		log_line(LOG_INFO, "an evaluator is well again",
			 LOG_TEXT("evaluator", evaluator->shown));
		serve(evaluator);
	}
}

void sched_accepted(struct sched_seat *seat, int offer)
{
	is_well(seat->sched, seat->stools[offer].evaluator);
}

void sched_answered(struct sched_seat *seat, int offer, double seconds)
{
	struct evaluator *evaluator = seat->stools[offer].evaluator;

	evaluator->answered++;
	evaluator->answered_s += seconds;
	is_well(seat->sched, evaluator);
}

void sched_well(struct sched *sched, const char *name)
{
	struct evaluator *evaluator = find(sched, name);

	if (evaluator != NULL) {
		is_well(sched, evaluator);
	}
}

void sched_failed(struct sched_seat *seat, int offer, const char *error, bool broken)
{
	struct evaluator *evaluator = seat->stools[offer].evaluator;

	evaluator->failed++;
	if (!broken) {
		is_well(seat->sched, evaluator);
	} else if (breaker_failed(&evaluator->breaker, error, mono_of(seat->sched->clock))) {
		seat->sched->down++;
		evaluator->down_wall_ms = wall_of(seat->sched->clock);
		log_line(LOG_WARNING, "an evaluator is down: its questions wait",
			 LOG_TEXT("evaluator", evaluator->shown), LOG_TEXT("error", error));
	}
}

bool sched_is_well(const struct sched_seat *seat, int offer)
{
	return seat->stools[offer].evaluator->breaker.state == BREAKER_CLOSED;
}

const struct evaluator *sched_offered(const struct sched_seat *seat, int offer)
{
	return seat->stools[offer].evaluator;
}

int sched_down(const struct sched_seat *seat)
{
	int last = -1;

	for (int i = 0; i < (int)seat->count; i++) {
		const struct breaker *breaker = &sched_offered(seat, i)->breaker;

		if (breaker->state == BREAKER_CLOSED) {
			return -1;
		}
		if (last < 0 || breaker->opened_ms > sched_offered(seat, last)->breaker.opened_ms) {
			last = i;
		}
	}
	return last;
}

int64_t sched_down_ms(const struct sched_seat *seat, const char **ret_error)
{
	int last = sched_down(seat);

	if (last < 0) {
		return -1;
	}
	*ret_error = sched_offered(seat, last)->breaker.error;
	return breaker_down_ms(&sched_offered(seat, last)->breaker, mono_of(seat->sched->clock));
}

static bool call(void *arg, struct list *node)
{
	struct sched_seat *seat = list_entry(node, struct sched_stool, waiting)->seat;

	(void)arg;
	seat->turn(seat->arg);
	return false;
}

/* Those that wait may have waited long enough. */
static void call_waiting(struct evaluator *evaluator)
{
	(void)turns_next(&evaluator->queue, call, NULL);
}

void sched_probe(struct sched *sched)
{
	for (size_t i = 0; i < sched->by_name.capacity; i++) {
		struct evaluator *evaluator =
			sched->by_name.slots[i].key != NULL ? slot_evaluator(sched, i) : NULL;

		if (evaluator != NULL && evaluator->breaker.state != BREAKER_CLOSED) {
			call_waiting(evaluator);
			breaker_try(&evaluator->breaker);
			serve(evaluator);
		}
	}
}

const struct evaluator *sched_evaluator(const struct sched *sched, const char *name)
{
	return find(sched, name);
}
