/* Asks a strategy over HTTP. */
#include "tuner/advice.h"

#include <stdlib.h>
#include <string.h>

#include "job/spec/codec_changes.h"
#include "job/spec/codec_config.h"
#include "job/spec/codec_space.h"
#include "job/trial.h"

/*
 * A strategy over HTTP, docs/remote-strategies.md. Its answers are checked here, before they
 * become events: a config that the space does not have never reaches the log.
 */

struct remote {
	struct advice advice;
	struct endpoint endpoint; /* borrows the spec's texts */
	struct endpoint_call *call;
};

/* The job, what is looked for and what may be chosen. */
static json_t *begin_body(const struct advice *advice)
{
	const struct job *job = advice->run->job;
	json_t *body = spec_goals(job->spec);

	(void)json_object_update_new(
		body, json_pack("{s:o, s:o, s:I, s:I, s:I}", "space", codec_space_json(job->spec),
				"baseline", job_baseline_data(job, job->trials[0]), "seed",
				(json_int_t)job->spec->seed, "parallel", (json_int_t)job->parallel,
				"max_trials", (json_int_t)job->max_trials));
	return body;
}

static json_t *next_body(const struct advice *advice)
{
	(void)advice;
	return json_object();
}

static json_t *observe_body(const struct advice *advice)
{
	static const char *const copied[] = {"accuracy",        "metrics", "feasible",
					     "objective_value", "margin",  "source"};
	const struct job *job = advice->run->job;
	const struct trial *subject = job->trials[advice->trial->subject];
	json_t *body = json_pack("{s:I, s:o, s:b}", "suggestion", (json_int_t)subject->subject,
				 "config", codec_config_json(job->spec, subject->config, false),
				 "failed", subject->state != TRIAL_TOLD);
	json_t *told = trial_told(subject);

	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++) {
		(void)json_object_set(body, copied[i], json_object_get(told, copied[i]));
	}
	json_decref(told);
	return body;
}

static json_t *read_nothing(const struct advice *advice, json_t *answer, struct err *reterr)
{
	(void)advice;
	(void)answer;
	err_init(reterr);
	return json_object();
}

/* {"config": {...}} or {"done": true}. */
static json_t *read_suggestion(const struct advice *advice, json_t *answer, struct err *reterr)
{
	static const char *const members[] = {"config", "done", NULL};
	const struct spec *spec = advice->run->job->spec;
	struct json_at at = json_root(answer, reterr);
	struct json_at config_at = json_member(&at, "config");
	struct json_at done = json_member(&at, "done");
	struct config *config = NULL;
	json_t *data = json_object();
	struct map ops;

	err_init(reterr);
	json_only(&at, members);
	if (!json_bool(&done, false)) {
		codec_ops_init(&ops, spec->space);
		config = codec_config_read(spec, &ops, &config_at);
		map_finish(&ops);
	} else if (config_at.value != NULL) {
		(void)json_fault(&config_at, "nothing is suggested when all is done");
	}
	if (config != NULL) {
		(void)json_object_set_new(data, "suggestion", codec_changes_json(config));
	}
	config_destroy(config);
	return data;
}

static const struct {
	const char *path;
	json_t *(*body)(const struct advice *advice);
	json_t *(*read)(const struct advice *advice, json_t *answer, struct err *reterr);
} exchanges[] = {
	[QUESTION_BEGIN] = {"/begin", begin_body, read_nothing},
	[QUESTION_SUGGEST] = {"/next", next_body, read_suggestion},
	[QUESTION_OBSERVE] = {"/observe", observe_body, read_nothing},
};

static void on_result(void *arg, const struct endpoint_result *result)
{
	struct advice *advice = arg;
	struct advice_result told = {
		.error = result->err->message,
		.retryable = result->retryable,
		.retry_after_ms = result->retry_after_ms,
	};
	struct err err;

	if (result->outcome == ENDPOINT_ANSWERED) {
		told.data = exchanges[advice->trial->kind].read(advice, result->body, &err);
		told.retryable = false;
		if (err.code != ERR_OK) {
			(void)err_prefix(&err, "the remote strategy suggests what cannot be tried");
			told.error = err.message;
			json_decref(told.data);
			told.data = NULL;
		}
	}
	advice_end(advice, &told);
}

static void ask(struct advice *advice)
{
	struct remote *remote = (struct remote *)advice;
	const struct run *run = advice->run;
	const struct target *adviser = &run->job->spec->adviser;
	enum question_kind kind = advice->trial->kind;
	char key[ADVICE_KEY_SIZE];
	struct endpoint_question question = {.path = exchanges[kind].path,
					     .idempotency_key = advice_key(advice, key)};
	json_t *body = exchanges[kind].body(advice);
	char *text;

	remote->endpoint = (struct endpoint){
		.who = "remote strategy",
		.url = adviser->url,
		.secret = adviser->secret,
		.connect_timeout_ms = (uint64_t)adviser->connect_timeout_ms,
		.timeout_ms = (uint64_t)adviser->timeout_ms,
	};
	(void)json_object_update_new(body, json_pack("{s:s, s:I}", "job", run->job->id, "trial",
						     (json_int_t)advice->trial->number));
	text = json_text(body);
	json_decref(body);
	question.body = text;
	question.length = strlen(text);
	remote->call =
		run->io->ask_json(run->io->world, &remote->endpoint, &question, on_result, advice);
	free(text);
}

static void cancel(struct advice *advice)
{
	const struct tuner_io *io = advice->run->io;

	io->cancel_call(io->world, ((struct remote *)advice)->call);
}

const struct advice_ops advice_remote = {
	.size = sizeof(struct remote),
	.ask = ask,
	.cancel = cancel,
};
