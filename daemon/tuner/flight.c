#include "tuner/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tuner/advice.h"
#include "tuner/codec_config.h"
#include "tuner/flight.h"

/*
 * A question flies from the moment it is leased until its answer, its failure or the end of the
 * job: waiting for its lease to be on disk, on its way, accepted (the evaluator said 202 and will
 * call back), or between two attempts. It holds one place at the evaluator all the while, unless
 * it is to the strategy's adviser: then nobody else can answer it.
 */

enum { LEASE_GRACE_MS = 5000, BACKOFF_CAP_MS = 60000 };

static const char *const paths[] = {
	[QUESTION_BASELINE] = "/baseline",
	[QUESTION_EVALUATE] = "/evaluate",
	[QUESTION_SCORE] = "/score",
	[QUESTION_CONFIRM] = "/evaluate",
};
/* A confirmation is an evaluation like any other for who answers it. */
static const char *const question_names[] = {
	[QUESTION_BASELINE] = "baseline",
	[QUESTION_EVALUATE] = "evaluate",
	[QUESTION_SCORE] = "score",
	[QUESTION_CONFIRM] = "evaluate",
};

struct flight {
	struct list node;
	struct run *run; /* NULL once it is over */
	struct trial *trial;
	struct endpoint endpoint; /* borrows the spec's texts */
	struct endpoint_call *call;
	struct advice *advice;   /* instead of `call` */
	struct loop_timer timer; /* between attempts, or while accepted */
	const char **ops;        /* names to be scored */
	int64_t expires_at;
};

static bool is_advice(const struct flight *flight)
{
	return question_is_advice(flight->trial->kind);
}

static const struct target *target_of(const struct flight *flight)
{
	const struct spec *spec = flight->run->job->spec;

	return is_advice(flight) ? &spec->adviser : &spec->target;
}

static void on_timer_closed(void *arg)
{
	struct flight *flight = arg;

	free(flight->ops);
	free(flight);
}

/* Takes the flight down; its place becomes free. */
static void end(struct flight *flight)
{
	struct run *run = flight->run;

	if (flight->call != NULL) {
		endpoint_cancel(flight->call);
	}
	advice_cancel(flight->advice);
	list_remove(&flight->node);
	flight->run = NULL;
	if (!is_advice(flight)) {
		sched_give_back(&run->seat);
	}
	run->tuner->stats.flights--;
	loop_timer_close(&flight->timer, on_timer_closed);
	tuner_check_stopped(run->tuner);
}

void flight_end_all(struct run *run)
{
	while (!list_empty(&run->flights)) {
		end(list_entry(run->flights.next, struct flight, node));
	}
}

static struct flight *find(const struct run *run, const struct trial *trial)
{
	for (struct list *n = run->flights.next; n != &run->flights; n = n->next) {
		struct flight *flight = list_entry(n, struct flight, node);

		if (flight->trial == trial) {
			return flight;
		}
	}
	return NULL;
}

static void lease(struct flight *flight)
{
	struct run *run = flight->run;
	struct trial *trial = flight->trial;
	char id[ID_SIZE];

	map_remove(&run->tuner->leases, trial->lease);
	id_make(id, "lse_");
	flight->expires_at = clock_wall_ms() + target_of(flight)->timeout_ms + LEASE_GRACE_MS;
	job_record(run->job, "question_leased", trial->number,
		   json_pack("{s:s, s:I, s:s, s:I}", "lease", id, "attempt",
			     (json_int_t)(trial->attempts + 1), "evaluator",
			     target_of(flight)->id != NULL ? target_of(flight)->id : "inline",
			     "expires_at", (json_int_t)flight->expires_at));
	if (!is_advice(flight)) {
		map_set(&run->tuner->leases, trial->lease, (intptr_t)trial);
	}
}

static void fail_attempt(struct flight *flight, const char *type, const char *error, bool retryable,
			 bool unreachable, int64_t retry_after_ms);

static void on_timer(void *arg)
{
	struct flight *flight = arg;

	if (flight->run == NULL) {
		return;
	}
	if (flight->trial->accepted) {
		fail_attempt(flight, "lease_expired",
			     "the evaluator accepted the question and never answered", true, false,
			     -1);
		return;
	}
	lease(flight);
	run_wake(flight->run);
}

static struct flight *create(struct run *run, struct trial *trial)
{
	const struct target *target = &run->job->spec->target;
	struct flight *flight = mem_new(1, sizeof(*flight));

	flight->run = run;
	flight->trial = trial;
	flight->endpoint = (struct endpoint){
		.url = target->url,
		.secret = target->secret,
		.connect_timeout_ms = (uint64_t)target->connect_timeout_ms,
		.timeout_ms = (uint64_t)target->timeout_ms,
	};
	list_append(&run->flights, &flight->node);
	loop_timer_init(run->tuner->options.loop, &flight->timer, on_timer, flight);
	run->tuner->stats.flights++;
	return flight;
}

void flight_start(struct run *run, struct trial *trial)
{
	lease(create(run, trial));
}

void flight_wait(struct run *run, struct trial *trial)
{
	struct flight *flight = create(run, trial);

	map_set(&run->tuner->leases, trial->lease, (intptr_t)trial);
	flight->expires_at = clock_wall_ms() + (int64_t)run->tuner->options.lease_ttl_ms;
	loop_timer_start(&flight->timer, run->tuner->options.lease_ttl_ms);
}

/* Full jitter below a doubling bound, drawn from a stream of its own (promises: retry policy). */
static uint64_t backoff_ms(const struct flight *flight, int64_t retry_after_ms)
{
	const struct spec *spec = flight->run->job->spec;
	const struct trial *trial = flight->trial;
	struct rng rng = rng_make(spec->seed, RNG_TIMING,
				  (uint64_t)trial->number * 64 + (uint64_t)trial->failures);
	double bound =
		fmin(BACKOFF_CAP_MS,
		     1000 * spec->backoff_s * ldexp(1, (int)fmin(20, (double)trial->failures)));
	double delay = rng_unit(&rng) * bound;

	return (uint64_t)fmax(delay, (double)retry_after_ms);
}

static void fail_attempt(struct flight *flight, const char *type, const char *error, bool retryable,
			 bool unreachable, int64_t retry_after_ms)
{
	struct run *run = flight->run;
	struct trial *trial = flight->trial;
	bool again = retryable && trial->failures + 1 < run->job->spec->max_attempts;
	uint64_t delay = again ? backoff_ms(flight, retry_after_ms) : 0;
	json_t *data =
		json_pack("{s:s, s:I, s:s, s:b}", "lease", trial->lease, "attempt",
			  (json_int_t)trial->attempts, "error", error, "retryable", retryable);

	if (again) {
		(void)json_object_set_new(data, "retry_in_ms", json_integer((json_int_t)delay));
	}
	job_record(run->job, type, trial->number, data);
	log_line(LOG_WARNING, "attempt failed", LOG_TEXT("job", run->job->id),
		 LOG_INT("trial", trial->number), LOG_INT("attempt", trial->attempts),
		 LOG_TEXT("error", error));
	if (again) {
		loop_timer_start(&flight->timer, delay);
		run_wake(run);
		return;
	}
	data = run_active(run);
	(void)json_object_set_new(data, "error", json_string(error));
	(void)json_object_set_new(data, "attempts", json_integer(trial->attempts));
	job_record(run->job, "trial_failed", trial->number, data);
	end(flight);
	turn_failed(run, trial, error, unreachable);
}

static uint64_t hash_answer(const json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
	uint64_t hash = 0;

	for (const char *c = text; c != NULL && *c != '\0'; c++) {
		hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
	}
	free(text);
	return rng_mix(hash);
}

static void tell(struct flight *flight, json_t *data)
{
	struct run *run = flight->run;
	struct trial *trial = flight->trial;
	json_t *active = run_active(run);

	(void)json_object_update_new(data, active);
	job_record(run->job, "trial_told", trial->number, data);
	end(flight);
	turn_told(run, trial);
}

static void on_advice(void *arg, const struct advice_result *result)
{
	struct flight *flight = arg;

	flight->advice = NULL;
	if (result->data != NULL) {
		tell(flight, result->data);
	} else {
		fail_attempt(flight, "attempt_failed", result->error, result->retryable,
			     result->unreachable, result->retry_after_ms);
	}
}

static void take_answer(struct flight *flight, const struct answer *answer, uint64_t hash)
{
	json_t *data;
	char text[24];

	if (answer->failed) {
		fail_attempt(flight, "attempt_failed", answer->error, answer->retryable, false, -1);
		return;
	}
	data = job_told_data(flight->run->job, flight->trial, answer);
	if (hash != 0) {
		(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)hash);
		(void)json_object_set_new(data, "answer", json_string(text));
	}
	tell(flight, data);
}

static void on_result(void *arg, const struct endpoint_result *result)
{
	struct flight *flight = arg;
	struct run *run = flight->run;

	flight->call = NULL;
	switch (result->outcome) {
	case ENDPOINT_ANSWERED:
		take_answer(flight, result->answer, 0);
		return;
	case ENDPOINT_ACCEPTED:
		job_record(run->job, "lease_accepted", flight->trial->number,
			   json_pack("{s:s}", "lease", flight->trial->lease));
		flight->expires_at = clock_wall_ms() + (int64_t)run->tuner->options.lease_ttl_ms;
		loop_timer_start(&flight->timer, run->tuner->options.lease_ttl_ms);
		run_wake(run);
		return;
	case ENDPOINT_FAILED:
		fail_attempt(flight, "attempt_failed", result->err->message, result->retryable,
			     result->unreachable, result->retry_after_ms);
		return;
	}
}

static json_t *ops_json(const struct flight *flight)
{
	json_t *list = json_array();

	for (size_t i = 0; i < flight->trial->op_count; i++) {
		(void)json_array_append_new(list, json_string(flight->ops[i]));
	}
	return list;
}

/* The question document of contract section 5. New reference. */
static json_t *document(const struct flight *flight)
{
	const struct trial *trial = flight->trial;
	const struct run *run = flight->run;
	char callback[512], expires[CLOCK_TEXT_SIZE];
	json_t *body;

	(void)snprintf(callback, sizeof(callback), "%s/v1/leases/%s", run->tuner->callback_url,
		       trial->lease);
	body = json_pack("{s:s, s:s, s:I, s:I, s:s, s:o, s:s, s:s}", "job", run->job->id, "lease",
			 trial->lease, "trial", (json_int_t)trial->number, "attempt",
			 (json_int_t)trial->attempts, "question", question_names[trial->kind],
			 "config", codec_config_json(run->job->spec, trial->config, false),
			 "callback", callback, "expires_at",
			 clock_format(flight->expires_at, expires));
	if (trial->kind == QUESTION_SCORE) {
		static const char *const copied[] = {"method", "phase", "confidence_batches",
						     "loss"};

		(void)json_object_set_new(body, "ops", ops_json(flight));
		for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
			json_t *value = json_object_get(trial->question, copied[i]);

			if (value != NULL && !json_is_null(value)) {
				(void)json_object_set(body, copied[i], value);
			}
		}
	}
	return body;
}

static struct answer_expect expectation(struct flight *flight)
{
	const struct trial *trial = flight->trial;
	const struct space *space = flight->run->job->spec->space;
	struct answer_expect expect;

	if (trial->kind == QUESTION_SCORE && flight->ops == NULL) {
		flight->ops = mem_new(trial->op_count, sizeof(*flight->ops));
		for (size_t i = 0; i < trial->op_count; i++) {
			flight->ops[i] = space->ops[trial->ops[i]].name;
		}
	}
	expect = spec_needs_expect(&flight->run->needs);
	expect.scores = trial->kind == QUESTION_SCORE;
	expect.ops = flight->ops;
	expect.op_count = trial->op_count;
	return expect;
}

void flight_send(struct run *run, int64_t number, const char *lease_id)
{
	struct trial *trial = run->job->trials[number];
	struct flight *flight = find(run, trial);
	char key[ID_SIZE + 24];
	struct endpoint_question question = {.idempotency_key = key};
	json_t *body;
	char *text;

	if (flight == NULL || flight->call != NULL || flight->advice != NULL ||
	    strcmp(trial->lease, lease_id) != 0) {
		return;
	}
	run->tuner->stats.attempts++;
	if (is_advice(flight)) {
		flight->advice = advice_ask(run, trial, on_advice, flight);
		return;
	}
	question.path = paths[trial->kind];
	question.expect = expectation(flight);
	body = document(flight);
	text = json_text(body);
	json_decref(body);
	(void)snprintf(key, sizeof(key), "%s.%lld", run->job->id, (long long)number);
	question.body = text;
	question.length = strlen(text);
	flight->call = endpoint_ask(run->tuner->options.fetch, &flight->endpoint, &question,
				    on_result, flight);
	free(text);
}

int tuner_lease_heartbeat(struct tuner *tuner, const char *lease_id, bool *ret_continue,
			  int64_t *ret_expires_at_ms, struct err *reterr)
{
	struct trial *trial = (struct trial *)map_get(&tuner->leases, lease_id, 0); /* NOLINT */
	struct run *run = trial != NULL ? run_find(tuner, trial->job->id) : NULL;
	struct flight *flight = run != NULL ? find(run, trial) : NULL;

	if (flight == NULL) {
		return err_set(reterr, ERR_GONE, "this lease is over: stop working on it");
	}
	flight->expires_at = clock_wall_ms() + (int64_t)tuner->options.lease_ttl_ms;
	if (trial->accepted) {
		loop_timer_start(&flight->timer, tuner->options.lease_ttl_ms);
	}
	*ret_continue = true;
	*ret_expires_at_ms = flight->expires_at;
	return 0;
}

/* An answer to a question that has one: fine when it is the very same. */
static int judge_repeat(const struct trial *trial, uint64_t hash, struct err *reterr)
{
	const char *before = json_string_value(json_object_get(trial->told, "answer"));
	char text[24];

	if (trial->state != TRIAL_TOLD) {
		return err_set(reterr, ERR_GONE, "this lease is over");
	}
	(void)snprintf(text, sizeof(text), "%016llx", (unsigned long long)hash);
	if (before == NULL || strcmp(before, text) != 0) {
		return err_set(reterr, ERR_CONFLICT, "the question has another answer already");
	}
	return 0;
}

int flight_complete(struct tuner *tuner, const char *lease_id, json_t *body, struct run **ret_run,
		    struct err *reterr)
{
	struct trial *trial = (struct trial *)map_get(&tuner->leases, lease_id, 0); /* NOLINT */
	struct run *run = trial != NULL ? run_find(tuner, trial->job->id) : NULL;
	struct flight *flight = run != NULL ? find(run, trial) : NULL;
	uint64_t hash = hash_answer(body);
	struct answer_expect expect;
	struct answer answer;
	int rc;

	*ret_run = run;
	if (run == NULL) {
		return err_set(reterr, ERR_GONE,
			       "this lease is over: its job has ended or the "
			       "question was handed on");
	}
	if (flight == NULL) {
		return judge_repeat(trial, hash, reterr);
	}
	expect = expectation(flight);
	rc = answer_parse(body, &expect, &answer, reterr);
	if (rc == 0) {
		take_answer(flight, &answer, hash);
	}
	answer_finish(&answer);
	return rc;
}
