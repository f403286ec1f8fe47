#include "tuner/flight.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tuner/codec_config.h"

/* What whoever measures is asked, and what the answer may hold: the same for all of them. */

/* A confirmation is an evaluation like any other for who answers it. */
static const char *const question_names[] = {
	[QUESTION_BASELINE] = "baseline",
	[QUESTION_EVALUATE] = "evaluate",
	[QUESTION_SCORE] = "score",
	[QUESTION_CONFIRM] = "evaluate",
};

static void add_score_members(json_t *body, const struct flight *flight)
{
	static const char *const copied[] = {"method", "phase", "confidence_batches", "loss"};
	const struct trial *trial = flight->trial;
	const struct space *space = flight->run->job->spec->space;
	json_t *ops = json_array();

	for (size_t i = 0; i < trial->op_count; i++) {
		(void)json_array_append_new(ops, json_string(space->ops[trial->ops[i]].name));
	}
	(void)json_object_set_new(body, "ops", ops);
	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		json_t *value = json_object_get(trial->question, copied[i]);

		if (value != NULL && !json_is_null(value)) {
			(void)json_object_set(body, copied[i], value);
		}
	}
}

json_t *flight_document(struct flight *flight)
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
		add_score_members(body, flight);
	}
	if (trial->partial) {
		(void)json_object_set(body, "subset", json_object_get(trial->question, "subset"));
	}
	return body;
}

struct answer_expect flight_expectation(struct flight *flight)
{
	const struct trial *trial = flight->trial;
	const struct space *space = flight->run->job->spec->space;
	struct answer_expect expect = spec_needs_expect(&flight->run->needs);

	if (trial->kind == QUESTION_SCORE && flight->ops == NULL) {
		flight->ops = mem_new(trial->op_count, sizeof(*flight->ops));
		for (size_t i = 0; i < trial->op_count; i++) {
			flight->ops[i] = space->ops[trial->ops[i]].name;
		}
	}
	expect.scores = trial->kind == QUESTION_SCORE;
	expect.ops = flight->ops;
	expect.op_count = trial->op_count;
	return expect;
}
