#include "tuner/flight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Questions to an evaluator that is called. One delivery is one attempt. */

static const char *const paths[] = {
	[QUESTION_BASELINE] = "/baseline",
	[QUESTION_EVALUATE] = "/evaluate",
	[QUESTION_SCORE] = "/score",
};

static void on_failed(struct flight *flight, const struct endpoint_result *result)
{
	struct run *run = flight->run;

	sched_failed(&run->seat, flight->place, result->err->message, result->broken);
	tuner_watch_health(run->tuner);
	flight_fail_attempt(flight,
			    &(struct attempt_end){.type = LOGGED_ATTEMPT_FAILED,
						  .error = result->err->message,
						  .retryable = result->retryable,
						  .later = result->later,
						  .fault = result->fault,
						  .broken = result->broken,
						  .blameless = result->blameless,
						  .retry_after_ms = result->retry_after_ms});
}

static void on_result(void *arg, const struct endpoint_result *result)
{
	struct flight *flight = arg;
	struct run *run = flight->run;

	flight->call = NULL;
	switch (result->outcome) {
	case ENDPOINT_ANSWERED:
		flight_take_answer(flight, result->answer, NULL);
		return;
	case ENDPOINT_ACCEPTED:
		sched_accepted(&run->seat, flight->place);
		tuner_watch_health(run->tuner);
		job_record(run->job, LOGGED_LEASE_ACCEPTED, flight->trial->number,
			   json_pack("{s:s}", "lease", flight->trial->lease));
		flight_extend(flight, (int64_t)run->tuner->options.lease_ttl_ms);
		run_wake(run);
		return;
	case ENDPOINT_FAILED:
		on_failed(flight, result);
		return;
	}
}

void flight_deliver(struct flight *flight)
{
	struct run *run = flight->run;
	char key[ID_SIZE + 24];
	struct endpoint_question question = {
		.path = paths[flight_asks(flight->trial)],
		.idempotency_key = key,
		.expect = flight_expectation(flight),
	};
	struct wire keep;
	struct err err;
	json_t *body;
	char *text;

	err_init(&err);
	if (flight_endpoint(flight, &keep, &flight->endpoint, &err) != 0) {
		wire_forget(&keep, &flight->endpoint);
		on_failed(flight, &(struct endpoint_result){.err = &err,
							    .broken = true,
							    .blameless = true,
							    .retry_after_ms = -1});
		return;
	}
	body = flight_document(flight);
	text = json_text(body);

	json_decref(body);
	(void)snprintf(key, sizeof(key), "%s.%lld", run->job->id, (long long)flight->trial->number);
	question.body = text;
	question.length = strlen(text);
	sched_asked(&run->seat, flight->place);
	flight->asked_ms = io_mono_ms(run->io);
	flight->call =
		run->io->ask(run->io->world, &flight->endpoint, &question, on_result, flight);
	wire_forget(&keep, &flight->endpoint);
	free(text);
}
