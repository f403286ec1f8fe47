/* Calls evaluators, and says what their answers mean for the attempt. */
#include "tuner/delivery.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tuner/asking.h"
#include "tuner/attempt.h"
#include "tuner/flight.h"
#include "tuner/health.h"
#include "tuner/landing.h"
#include "tuner/run.h"
#include "tuner/wire.h"

static const char *const paths[] = {
	[QUESTION_BASELINE] = "/baseline",
	[QUESTION_EVALUATE] = "/evaluate",
	[QUESTION_SCORE] = "/score",
};

static void on_failed(struct flight *flight, const struct endpoint_result *result)
{
	struct run *run = flight->run;

	sched_failed(&run->seat, flight->place, result->err->message, result->broken);
	health_watch(run->tuner);
	attempt_fail(flight, &(struct attempt_end){.type = LOGGED_ATTEMPT_FAILED,
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
		landing_take(flight, result->answer, NULL);
		return;
	case ENDPOINT_ACCEPTED:
		sched_accepted(&run->seat, flight->place);
		health_watch(run->tuner);
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

void delivery_send(struct flight *flight)
{
	struct run *run = flight->run;
	char key[ID_SIZE + 24];
	struct endpoint_question question = {
		.path = paths[asking_kind(flight->trial)],
		.idempotency_key = key,
		.expect = asking_expectation(flight),
	};
	struct wire keep;
	struct err err;
	json_t *body;
	char *text;

	err_init(&err);
	if (wire_endpoint(flight_target(flight), &keep, &flight->endpoint, &err) != 0) {
		wire_forget(&keep, &flight->endpoint);
		on_failed(flight, &(struct endpoint_result){.err = &err,
							    .broken = true,
							    .blameless = true,
							    .retry_after_ms = -1});
		return;
	}
	body = asking_document(flight);
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
