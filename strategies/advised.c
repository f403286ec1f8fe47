/* Asks an adviser for configs and reports results to it, one at a time. */
#include "strategies/advised.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "space/config_set.h"

/* An adviser who only repeats itself has nothing more to say: repetitions cost no budget, so
 * without a bound the job would never end. */
enum { REPETITIONS_MAX = 100 };

enum stand { IN_HAND, OUT, KNOWN, REPORTING };

/* A suggested config on its way. */
struct suggestion {
	int64_t suggested; /* by the answer of this trial */
	const struct config *config;
	enum stand stand;
	int64_t trial; /* whose event moves it next */
};

struct advised {
	size_t width;
	bool introduced; /* the adviser was told of the job, or is being told */
	bool knows;
	bool finished; /* it has nothing more to say, or failed */
	struct suggestion *list;
	size_t count;
	bool suggesting;        /* a suggestion was asked for */
	struct config_set seen; /* borrows from the events */
	size_t repetitions;     /* in a row */
};

size_t advised_state_size(const struct problem *problem)
{
	(void)problem;
	return sizeof(struct advised);
}

int advised_init(void *state, const struct problem *problem, const struct args *args,
		 struct err *reterr)
{
	struct advised *advised = state;

	(void)args;
	(void)reterr;
	advised->width = (size_t)problem->parallel;
	return 0;
}

/* The oldest one that stands so, or -1. */
static ssize_t find(const struct advised *advised, enum stand stand)
{
	for (size_t i = 0; i < advised->count; i++) {
		if (advised->list[i].stand == stand) {
			return (ssize_t)i;
		}
	}
	return -1;
}

static void move(struct advised *advised, enum stand from, enum stand to, int64_t trial)
{
	ssize_t i = find(advised, from);

	if (i >= 0) {
		advised->list[i].stand = to;
		advised->list[i].trial = trial;
	}
}

static void add(struct advised *advised, const struct event *event)
{
	if (event->type == EVENT_FAILED || event->config == NULL) {
		advised->finished = true;
		return;
	}
	if (config_set_has(&advised->seen, event->config)) {
		advised->repetitions++;
	} else {
		advised->repetitions = 0;
		config_set_add(&advised->seen, event->config);
	}
	advised->finished = advised->finished || advised->repetitions >= REPETITIONS_MAX;
	advised->list = mem_grow(advised->list, advised->count + 1, sizeof(*advised->list));
	advised->list[advised->count++] = (struct suggestion){
		.suggested = event->trial, .config = event->config, .stand = IN_HAND};
}

static void drop(struct advised *advised, size_t i)
{
	advised->count--;
	memmove(&advised->list[i], &advised->list[i + 1],
		(advised->count - i) * sizeof(*advised->list));
}

static void on_asked(struct advised *advised, const struct event *event)
{
	switch (event->kind) {
	case QUESTION_BEGIN:
		advised->introduced = true;
		return;
	case QUESTION_SUGGEST:
		advised->suggesting = true;
		return;
	case QUESTION_EVALUATE:
		move(advised, IN_HAND, OUT, event->trial);
		return;
	case QUESTION_OBSERVE:
		move(advised, KNOWN, REPORTING, event->trial);
		return;
	default:
		return;
	}
}

/* A suggestion that waits for this trial goes on; what was imported is nobody's suggestion. */
static void on_result(struct advised *advised, const struct event *event)
{
	for (size_t i = 0; i < advised->count; i++) {
		struct suggestion *suggestion = &advised->list[i];

		if (suggestion->trial != event->trial) {
			continue;
		}
		if (suggestion->stand == OUT) {
			suggestion->stand = KNOWN;
		} else if (suggestion->stand == REPORTING) {
			drop(advised, i);
		}
		return;
	}
}

static void on_over(struct advised *advised, const struct event *event)
{
	bool failed = event->type == EVENT_FAILED;

	if (question_is_advice(event->kind)) {
		advised->finished = advised->finished || failed;
	}
	if (event->kind == QUESTION_BEGIN) {
		advised->knows = true;
	} else if (event->kind == QUESTION_SUGGEST) {
		advised->suggesting = false;
		add(advised, event);
	} else {
		on_result(advised, event);
	}
}

void advised_apply(void *state, const struct event *event)
{
	(event->type == EVENT_ASKED ? on_asked : on_over)(state, event);
}

static enum step ask(struct question *out, enum question_kind kind, const char *stage)
{
	out->kind = kind;
	out->stage = stage;
	return STEP_ASK;
}

enum step advised_next(const void *state, struct rng rng, struct question *out)
{
	const struct advised *advised = state;
	ssize_t known = find(advised, KNOWN), in_hand = find(advised, IN_HAND);

	(void)rng;
	if (!advised->introduced) {
		return ask(out, QUESTION_BEGIN, "begin");
	}
	/* One question at a time, so that the adviser hears them in the same order every time. */
	if (!advised->knows || find(advised, REPORTING) >= 0 || advised->suggesting) {
		return STEP_WAIT;
	}
	if (known >= 0) {
		out->subject = advised->list[known].trial;
		return ask(out, QUESTION_OBSERVE, "advised");
	}
	if (!advised->finished && advised->count < advised->width) {
		return ask(out, QUESTION_SUGGEST, "advised");
	}
	if (in_hand >= 0) {
		out->subject = advised->list[in_hand].suggested;
		out->config = config_copy(advised->list[in_hand].config);
		out->whole = true;
		return ask(out, QUESTION_EVALUATE, "advised");
	}
	return advised->count > 0 ? STEP_WAIT : STEP_DONE;
}

bool advised_owes(const void *state)
{
	const struct advised *advised = state;

	return find(advised, KNOWN) >= 0 || find(advised, REPORTING) >= 0;
}

void advised_finish(void *state)
{
	struct advised *advised = state;

	free(advised->list);
	config_set_finish(&advised->seen);
}
