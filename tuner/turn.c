/* Carries out what jobs decide. */
#include "tuner/turn.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "job/next.h"
#include "tuner/launch.h"
#include "tuner/run.h"
#include "tuner/watch.h"

/*
 * A turn: what the job decides is carried out, and what it has recorded is handed to the store. It is
 * taken whenever something changed, any number of times: what it does follows from the job alone.
 */

/* The strategy's turn on a pool thread. */
struct ask {
	struct loop_job work;
	struct run *run;
	int place;     /* taken for the question; -1 when it is to catch up alone */
	bool complete; /* all that it was to see is applied */
	enum step step;
	struct question question;
};

static void rest(struct run *run, const struct next *next)
{
	(void)next;
	sched_leave(&run->seat);
}

static void ask_baseline(struct run *run, const struct next *next)
{
	int place = sched_take(&run->seat);

	(void)next;
	if (place >= 0) {
		launch_start(run, job_ask_baseline(run->job), place);
	} else {
		watch_wake(&run->watches); /* what it waits for is no event */
	}
}

static void retry(struct run *run, const struct next *next)
{
	int place = sched_take(&run->seat);

	if (place >= 0) {
		launch_start(run, run->job->trials[next->trial], place);
		run_wake(run);
	}
}

static void confirm(struct run *run, const struct next *next)
{
	int place = sched_take_at(&run->seat, next->where);

	if (place >= 0) {
		launch_start(run, job_ask_again(run->job, next), place);
	}
}

/* Advice and what is known already need no evaluator. */
static void on_question(struct run *run, const struct ask *ask)
{
	bool advice = question_is_advice(ask->question.kind);
	struct trial *trial = job_ask(run->job, &ask->question);

	if (advice || trial == NULL) {
		sched_give_back(&run->seat, ask->place);
	}
	if (trial != NULL) {
		launch_start(run, trial, advice ? -1 : ask->place);
	}
}

/* While the strategy was away the job may have got less room, or a reason to end: then it is asked again, and says the
 * same, when there is more. */
static void on_step(struct run *run, const struct ask *ask)
{
	if (ask->step == STEP_ASK && job_may_ask(run->job)) {
		on_question(run, ask);
		return;
	}
	sched_give_back(&run->seat, ask->place);
	if (ask->step != STEP_ASK && !job_ask_nothing(run->job, ask->step)) {
		log_line(LOG_ERROR, "a strategy waits for nothing", LOG_TEXT("job", run->job->id),
			 LOG_TEXT("strategy", run->job->strategy.ops->name));
	}
}

static void work_ask(void *arg)
{
	struct ask *ask = arg;

	ask->complete = strategy_catch_up(&ask->run->job->strategy, &ask->run->hurry);
	if (!ask->complete) {
		return;
	}
	if (ask->place < 0) {
		/* The loop asks for it soon, when it is known. */
		(void)strategy_choice(&ask->run->job->strategy);
		return;
	}
	ask->step = strategy_next(&ask->run->job->strategy, &ask->question);
}

static void after_ask(void *arg)
{
	struct ask *ask = arg;
	struct run *run = ask->run;

	run->ask = NULL;
	if (ask->place >= 0 && (!ask->complete || run->closed || run->job->state != JOB_RUNNING ||
				run->tuner->stopping)) {
		sched_give_back(&run->seat, ask->place);
	} else if (ask->place >= 0) {
		on_step(run, ask);
	}
	if (ask->complete && ask->place >= 0 && ask->step == STEP_ASK) {
		question_finish(&ask->question);
	}
	free(ask);
	run_wake(run);
	run_unref(run);
}

static void lend_strategy(struct run *run, int place)
{
	struct ask *ask = mem_new(1, sizeof(*ask));

	ask->run = run;
	ask->place = place;
	run->ask = ask;
	run_ref(run);
	io_work(run->io, &ask->work, work_ask, after_ask, ask);
}

static void catch_up(struct run *run, const struct next *next)
{
	(void)next;
	lend_strategy(run, -1);
}

static void ask_strategy(struct run *run, const struct next *next)
{
	int place = sched_take(&run->seat);

	(void)next;
	if (place >= 0) {
		lend_strategy(run, place);
	}
}

/* The run follows the job, whatever the step. */
static void end(struct run *run, const struct next *next)
{
	(void)run;
	(void)next;
}

static void (*const carry_out[])(struct run *run, const struct next *next) = {
	[NEXT_REST] = rest,         [NEXT_BASELINE] = ask_baseline, [NEXT_RETRY] = retry,
	[NEXT_CATCH_UP] = catch_up, [NEXT_STRATEGY] = ask_strategy, [NEXT_CONFIRM] = confirm,
	[NEXT_END] = end,
};

_Static_assert(sizeof(carry_out) / sizeof(carry_out[0]) == NEXT_STEPS_,
	       "every step is carried out");

/* What its evaluators said last when none of them has been well for too long; NULL otherwise. */
static const char *why_down(const struct run *run)
{
	int64_t limit_ms = (int64_t)run->tuner->options.evaluator_down_ms;
	const char *error = NULL;

	return limit_ms > 0 && sched_down_ms(&run->seat, &error) >= limit_ms ? error : NULL;
}

/*
 * After a start nothing is decided before the last job is read: those that are not in memory may have places, which
 * nobody else must take. Then turns come in the order of the jobs' ids, that of their submission.
 */
static void come_later(struct run *run)
{
	struct list *before = run->tuner->early.prev;

	if (!list_empty(&run->early)) {
		return;
	}
	while (before != &run->tuner->early &&
	       strcmp(list_entry(before, struct run, early)->job->id, run->job->id) > 0) {
		before = before->prev;
	}
	list_append(before->next, &run->early);
}

void turn_take(struct run *run)
{
	if (run->tuner->of_start > 0) {
		come_later(run);
	} else if (!job_state_is_final(run->job->state) && run->ask == NULL) {
		struct circumstances around = {run->tuner->stopping, why_down(run)};
		struct next next = job_next(run->job, &around);

		carry_out[next.step](run, &next);
		run_follow(run);
	}
	idle_turn(run);
	run_flush(run, NULL, NULL, NULL);
}
