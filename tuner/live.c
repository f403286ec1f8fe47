/* What a job's document says of this very moment: what is out, what is waited for, how far the clock is. */
#include "tuner/live.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/active.h"
#include "strategies/stage_words.h"
#include "tuner/flight.h"

static json_t *time_json(int64_t wall_ms)
{
	char text[CLOCK_TEXT_SIZE];

	return wall_ms > 0 ? json_string(clock_format(wall_ms, text)) : json_null();
}

static const char *name_of(const struct target *target)
{
	return target->id != NULL ? target->id : target->shown;
}

/* Between two attempts nobody has it, and of a pool nobody is known before. */
static void add_who(const struct run *run, const struct trial *trial, json_t *item)
{
	const struct flight *flight = flight_find(run, trial);
	int place = flight != NULL && flight->place >= 0 ? flight->place : trial->place;
	const struct spec *spec = run->job->spec;
	bool leased = trial->state == TRIAL_LEASED;

	if (run->pool != NULL) {
		(void)json_object_set_new(
			item, "worker",
			leased && trial->worker != NULL ? json_string(trial->worker) : json_null());
	} else {
		const struct target *target =
			question_is_advice(trial->kind) ? &spec->adviser : &spec->targets[place];
		const char *name = name_of(target);

		(void)json_object_set_new(item, "evaluator",
					  name != NULL ? json_string(name) : json_null());
	}
}

/* Attempts so far. One that was put off was none: a busy evaluator is asked again and again. */
static int64_t attempts_of(const struct trial *trial)
{
	return trial->failures + (trial->state == TRIAL_LEASED);
}

static json_t *out_json(const struct run *run, const struct trial *trial)
{
	const struct flight *flight = flight_find(run, trial);
	json_t *item = json_pack(
		"{s:I, s:s, s:o, s:I, s:s?, s:o}", "trial", (json_int_t)trial->number, "kind",
		question_kind_names[trial->kind], "since", time_json(trial->since_ms), "attempt",
		(json_int_t)attempts_of(trial), "last_error", trial->last_error, "next_try_at",
		time_json(flight != NULL ? flight->next_try_ms : 0));

	add_who(run, trial, item);
	if (flight != NULL && flight->seen > 0) {
		(void)json_object_set_new(item, "seen", json_integer((json_int_t)flight->seen));
	}
	if (flight != NULL && flight->total > 0) {
		(void)json_object_set_new(item, "total", json_integer((json_int_t)flight->total));
	}
	if (trial->kind == QUESTION_CONFIRM) {
		(void)json_object_set_new(item, "subject", json_integer((json_int_t)trial->twin));
		(void)json_object_set_new(item, "round", json_integer((json_int_t)trial->round));
	}
	return item;
}

static bool is_out(const struct trial *trial)
{
	return trial->state < TRIAL_TOLD && !trial->cached && trial->asked;
}

/* The newest trials are the ones that are out. */
static json_t *all_out(const struct run *run)
{
	const struct job *job = run->job;
	json_t *list = json_array();
	int64_t left = job->out;

	for (int64_t i = job->trial_count - 1; i >= 0 && left > 0; i--) {
		if (is_out(job->trials[i])) {
			(void)json_array_insert_new(list, 0, out_json(run, job->trials[i]));
			left--;
		}
	}
	return list;
}

static const struct evaluator *who_is_down(const struct run *run, int *ret_offer)
{
	*ret_offer = run->job->state != JOB_PAUSED ? sched_down(&run->seat) : -1;
	return *ret_offer >= 0 ? sched_offered(&run->seat, *ret_offer) : NULL;
}

/* Whether it has not begun because others have all places of its evaluators. */
static bool is_queued_up(const struct run *run)
{
	return run->job->state == JOB_QUEUED && run->seat.waits;
}

static json_t *queue_json(const struct run *run)
{
	const char *name = name_of(&run->job->spec->targets[0]);
	size_t places = 0;
	char *detail;
	json_t *waiting;

	for (size_t i = 0; i < run->seat.count; i++) {
		places += sched_offered(&run->seat, (int)i)->limit;
	}
	detail = mem_printf("%s takes %zu at once (max_concurrency), and other jobs' questions "
			    "are there",
			    run->seat.count > 1 ? "all evaluators of the job together"
			    : run->pool != NULL ? "the pool"
						: "the evaluator",
			    places);
	waiting =
		json_pack("{s:s, s:o, s:s, s:s?}", "reason", "places_taken", "since",
			  time_json(run->seat.waits_since_ms), "detail", detail, "evaluator", name);
	free(detail);
	return waiting;
}

/* Whether a question of it waits for a worker; one that has not begun will soon have one. */
static bool wants_worker(const struct run *run)
{
	return run->job->state == JOB_QUEUED ||
	       (run->job->state != JOB_PAUSED && !list_empty(&run->due));
}

/* Whether its questions wait in a pool to which nobody comes. A face of SigOpt has no workers to start. */
static bool lacks_workers(const struct run *run)
{
	if (run->pool == NULL || run->job->spec->targets[0].baseline != NULL ||
	    !wants_worker(run) ||
	    workers_there(&run->tuner->workers, run->pool->name, run->owner)) {
		return false;
	}
	for (struct list *n = run->flights.next; n != &run->flights; n = n->next) {
		const struct flight *flight = list_entry(n, struct flight, node);

		if (flight_is_pooled(flight) && flight->trial->state == TRIAL_LEASED) {
			return false;
		}
	}
	return true;
}

/* Since when the oldest question that waits for a worker is out; 0 while there is none. */
static int64_t out_since_ms(const struct run *run)
{
	int64_t since = 0;

	for (struct list *n = run->due.next; n != &run->due; n = n->next) {
		int64_t its = list_entry(n, struct flight, due)->trial->since_ms;

		since = since == 0 || its < since ? its : since;
	}
	return since;
}

static json_t *no_worker_json(const struct run *run)
{
	const struct target *target = &run->job->spec->targets[0];
	char *start = target->start != NULL
			      ? mem_dup(target->start)
			      : mem_printf("narrow worker --pool %s -- COMMAND", target->pool);
	char *detail =
		mem_printf("no worker is there for pool %s; to start one: %s", target->pool, start);
	json_t *waiting = json_pack("{s:s, s:o, s:s, s:n}", "reason", "no_worker", "since",
				    time_json(out_since_ms(run)), "detail", detail, "evaluator");

	free(start);
	free(detail);
	return waiting;
}

static json_t *waiting_json(const struct run *run)
{
	int offer;
	const struct evaluator *evaluator = who_is_down(run, &offer);

	if (evaluator == NULL && lacks_workers(run)) {
		return no_worker_json(run);
	}
	if (evaluator == NULL) {
		return is_queued_up(run) ? queue_json(run) : json_null();
	}
	return json_pack("{s:s, s:o, s:s, s:s?}", "reason", "evaluator_down", "since",
			 time_json(evaluator->down_wall_ms), "detail", evaluator->breaker.error,
			 "evaluator", name_of(&run->job->spec->targets[offer]));
}

/* What all flights of the job have said of how far they are. */
static int64_t seen_by_all(const struct run *run)
{
	uint64_t seen = 0;

	for (struct list *n = run->flights.next; n != &run->flights; n = n->next) {
		seen += (uint64_t)list_entry(n, struct flight, node)->seen;
	}
	return (int64_t)seen;
}

int64_t tuner_live_mark(const struct tuner *tuner, const char *job)
{
	const struct run *run = run_find(tuner, job);
	int offer;
	const struct evaluator *evaluator = run != NULL ? who_is_down(run, &offer) : NULL;

	if (evaluator != NULL) {
		return evaluator->breaker.opened_ms;
	}
	if (run != NULL && lacks_workers(run)) {
		return out_since_ms(run) + 1;
	}
	if (run != NULL && is_queued_up(run)) {
		return run->seat.waits_since_ms;
	}
	return run != NULL ? seen_by_all(run) : 0;
}

static void add_words(json_t *progress)
{
	const char *stage = json_string_value(json_object_get(progress, "stage"));
	const char *words = stage != NULL ? stage_words_of(stage) : NULL;

	if (words != NULL) {
		(void)json_object_set_new(progress, "stage_words", json_string(words));
	}
}

void tuner_live(const struct tuner *tuner, const char *id, bool now, json_t *document)
{
	const struct run *run = run_find(tuner, id);
	json_t *progress = json_object_get(document, "progress");
	json_t *budget = json_object_get(document, "budget");
	bool runs = run != NULL && run->job->active_since >= 0;

	if (run == NULL) {
		return;
	}
	(void)json_object_set_new(progress, "out", all_out(run));
	(void)json_object_set_new(progress, "waiting", waiting_json(run));
	(void)json_object_set_new(progress, "waits_for", idle_json(run));
	add_words(progress);
	(void)json_object_set_new(document, "clock",
				  json_pack("{s:f, s:o}", "active_s", run->job->active_s,
					    "running_since",
					    time_json(runs ? run->job->active_wall_ms : 0)));
	if (now) {
		(void)json_object_set_new(budget, "elapsed_s", json_real(job_active_s(run->job)));
	}
}
