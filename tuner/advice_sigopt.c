/* Asks SigOpt's API for suggestions. */
#include "tuner/advice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/sigopt.h"
#include "backends/sigopt_body.h"
#include "base/mem.h"
#include "strategies/advised.h"
#include "job/spec/codec_changes.h"
#include "job/trial.h"

/*
 * A SigOpt server as adviser, as INC used it: the accuracy is a constraint with a threshold, the
 * objective is optimized. The ids of the experiment and of its suggestions are in the log, so a
 * restart goes on with the same experiment.
 *
 * SigOpt has no idempotency keys. Before a suggestion or an observation is asked for again, the
 * open suggestions are listed: one that carries our key in its metadata is the answer that was
 * lost, and one that is not open any more has its observation.
 */

enum { PATH_SIZE = 1024, MARKER_SIZE = 768, PAGE = 1000, PAGES_MAX = 100 };

#define KEY "narrowd"

struct suggester {
	struct advice advice;
	struct product product;
	struct sigopt sigopt; /* borrows from the spec */
	struct sigopt_call *call;
	int pages;
};

static void finish(struct suggester *s, const struct advice_result *result)
{
	product_finish(&s->product);
	advice_end(&s->advice, result);
}

static void succeed(struct suggester *s, json_t *data)
{
	finish(s, &(struct advice_result){.data = data, .retry_after_ms = -1});
}

static void give_up(struct suggester *s, const char *error)
{
	finish(s, &(struct advice_result){.error = error, .retry_after_ms = -1});
}

/* Whether there is an answer; otherwise the attempt is over. */
static bool check(struct suggester *s, const struct sigopt_reply *reply)
{
	s->call = NULL;
	if (reply->body == NULL) {
		finish(s, &(struct advice_result){.error = reply->err->message,
						  .retryable = reply->retryable,
						  .retry_after_ms = reply->retry_after_ms});
	}
	return reply->body != NULL;
}

static void request(struct suggester *s, const char *method, const char *path, json_t *body,
		    sigopt_fn fn)
{
	s->call = sigopt_send(s->advice.run->io->fetch, &s->sigopt, method, path, body, fn, s);
	json_decref(body);
}

/* The path of something of the experiment, which the answer to the first question names. */
static const char *path_of(const struct suggester *s, const char *what, char *path)
{
	const struct job *job = s->advice.run->job;
	json_t *begun = NULL;

	for (int64_t i = 0; i < job->trial_count; i++) {
		if (job->trials[i]->kind == QUESTION_BEGIN) {
			json_decref(begun);
			begun = trial_told(job->trials[i]);
		}
	}
	(void)snprintf(path, PATH_SIZE, "/v1/experiments/%s/%s",
		       begun != NULL ? json_string_value(json_object_get(begun, "experiment")) : "",
		       what);
	json_decref(begun);
	return path;
}

static json_t *metadata(const struct suggester *s)
{
	char key[ADVICE_KEY_SIZE];

	return json_pack("{s:s}", KEY, advice_key(&s->advice, key));
}

/* Several accuracies have no threshold of their own: their margin to the bound counts. */
static bool is_plain(const struct criterion *criterion)
{
	return criterion->metric_count == 1;
}

static const char *constraint_name(const struct criterion *criterion)
{
	return is_plain(criterion) ? "accuracy" : "margin";
}

static bool is_plain_objective(const struct objective *objective)
{
	return objective->count == 1 && strcmp(objective->metrics[0].name, "accuracy") != 0;
}

/* The objective's own name, unless it is made of several metrics or is the constraint's. */
static const char *objective_name(const struct objective *objective)
{
	return is_plain_objective(objective) ? objective->metrics[0].name : "objective";
}

static json_t *metrics_body(const struct spec *spec)
{
	const struct criterion *criterion = &spec->criterion;
	bool plain = is_plain(criterion);
	bool higher = !plain || criterion->metrics[0].higher_is_better;
	bool maximize =
		is_plain_objective(&spec->objective) && spec->objective.metrics[0].higher_is_better;

	return json_pack("[{s:s, s:s, s:s, s:f}, {s:s, s:s, s:s}]", "name",
			 constraint_name(criterion), "objective", higher ? "maximize" : "minimize",
			 "strategy", "constraint", "threshold", plain ? criterion->bound[0] : 0.0,
			 "name", objective_name(&spec->objective), "objective",
			 maximize ? "maximize" : "minimize", "strategy", "optimize");
}

static void on_experiment(void *arg, const struct sigopt_reply *reply)
{
	struct suggester *s = arg;
	char id[SIGOPT_ID_SIZE];

	if (!check(s, reply)) {
		return;
	}
	if (!sigopt_id(reply->body, "id", id)) {
		give_up(s, "SigOpt made an experiment and gave it no id");
		return;
	}
	succeed(s, json_pack("{s:s}", "experiment", id));
}

static void begin(struct suggester *s)
{
	const struct job *job = s->advice.run->job;
	const struct args *args = &job->spec->args;

	request(s, "POST", "/v1/experiments",
		json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o}", "name",
			  args->texts[SIGOPT_NAME], "project", args->texts[SIGOPT_PROJECT], "type",
			  "offline", "observation_budget", (json_int_t)job->max_trials,
			  "parallel_bandwidth", (json_int_t)job->parallel, "parameters",
			  sigopt_body_parameters(&s->product), "metrics", metrics_body(job->spec),
			  "metadata", metadata(s)),
		on_experiment);
}

static void take_suggestion(struct suggester *s, const json_t *suggestion)
{
	struct config *config;
	char id[SIGOPT_ID_SIZE];
	struct err err;

	err_init(&err);
	if (!sigopt_id(suggestion, "id", id)) {
		give_up(s, "SigOpt made a suggestion and gave it no id");
		return;
	}
	config = sigopt_body_config(&s->product, json_object_get(suggestion, "assignments"), &err);
	if (config == NULL) {
		give_up(s, err.message);
		return;
	}
	succeed(s,
		json_pack("{s:o, s:s}", "suggestion", codec_changes_json(config), "reference", id));
	config_destroy(config);
}

static void on_suggestion(void *arg, const struct sigopt_reply *reply)
{
	if (check(arg, reply)) {
		take_suggestion(arg, reply->body);
	}
}

static void suggest(struct suggester *s)
{
	char path[PATH_SIZE];

	request(s, "POST", path_of(s, "suggestions", path),
		json_pack("{s:o}", "metadata", metadata(s)), on_suggestion);
}

static const struct trial *subject_of(const struct suggester *s)
{
	return s->advice.run->job->trials[s->advice.trial->subject];
}

/* The id of the suggestion whose result is to be observed: what came of its question. New reference. */
static json_t *reference_of(const struct suggester *s)
{
	json_t *told = trial_told(s->advice.run->job->trials[subject_of(s)->subject]);
	json_t *reference = json_incref(json_object_get(told, "reference"));

	json_decref(told);
	return reference;
}

static bool is_subject(const struct suggester *s, const json_t *suggestion)
{
	json_t *reference = reference_of(s);
	char id[SIGOPT_ID_SIZE];
	bool is = sigopt_id(suggestion, "id", id) && strcmp(id, json_string_value(reference)) == 0;

	json_decref(reference);
	return is;
}

static void on_observation(void *arg, const struct sigopt_reply *reply)
{
	if (check(arg, reply)) {
		succeed(arg, json_object());
	}
}

static json_t *values_body(const struct suggester *s)
{
	const struct spec *spec = s->advice.run->job->spec;
	const struct trial *subject = subject_of(s);

	return json_pack(
		"[{s:s, s:f}, {s:s, s:f}]", "name", constraint_name(&spec->criterion), "value",
		is_plain(&spec->criterion) ? subject->accuracy[0] : subject->candidate.margin,
		"name", objective_name(&spec->objective), "value",
		is_plain_objective(&spec->objective) ? subject->objectives[0]
						     : subject->candidate.objective);
}

static void observe(struct suggester *s)
{
	json_t *body = json_pack("{s:o}", "suggestion", reference_of(s));
	char path[PATH_SIZE];

	if (subject_of(s)->state == TRIAL_TOLD) {
		(void)json_object_set_new(body, "values", values_body(s));
	} else {
		(void)json_object_set_new(body, "failed", json_true());
	}
	request(s, "POST", path_of(s, "observations", path), body, on_observation);
}

/* The open suggestion that this question is about, or NULL. */
static const json_t *find_ours(const struct suggester *s, const json_t *list)
{
	bool observing = s->advice.trial->kind == QUESTION_OBSERVE;
	char key[ADVICE_KEY_SIZE];

	(void)advice_key(&s->advice, key);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *open = json_array_get(list, i);
		const char *mark =
			json_string_value(json_object_get(json_object_get(open, "metadata"), KEY));

		if (observing ? is_subject(s, open) : mark != NULL && strcmp(mark, key) == 0) {
			return open;
		}
	}
	return NULL;
}

static void list_open(struct suggester *s, const char *before);

static void on_open(void *arg, const struct sigopt_reply *reply)
{
	struct suggester *s = arg;
	bool observing = s->advice.trial->kind == QUESTION_OBSERVE;
	const json_t *ours, *before;

	if (!check(s, reply)) {
		return;
	}
	ours = find_ours(s, json_object_get(reply->body, "data"));
	before = json_object_get(json_object_get(reply->body, "paging"), "before");
	if (ours == NULL && json_is_string(before) && ++s->pages < PAGES_MAX) {
		list_open(s, json_string_value(before));
	} else if (ours == NULL) {
		observing ? succeed(s, json_object()) : suggest(s);
	} else {
		observing ? observe(s) : take_suggestion(s, ours);
	}
}

/* Markers of pages are opaque: percent-encoded throughout (RFC 3986). */
static void escape(const char *text, char *ret)
{
	size_t n = 0;

	for (; *text != '\0' && n + 4 < MARKER_SIZE; text++) {
		n += (size_t)snprintf(ret + n, MARKER_SIZE - n, "%%%02X", (unsigned char)*text);
	}
	ret[n] = '\0';
}

static void list_open(struct suggester *s, const char *before)
{
	char what[MARKER_SIZE + 64], marker[MARKER_SIZE], path[PATH_SIZE];

	escape(before, marker);
	(void)snprintf(what, sizeof(what), "suggestions?state=open&limit=%d%s%s", PAGE,
		       marker[0] != '\0' ? "&before=" : "", marker);
	request(s, "GET", path_of(s, what, path), NULL, on_open);
}

static void ask(struct advice *advice)
{
	struct suggester *s = (struct suggester *)advice;
	const struct spec *spec = advice->run->job->spec;
	bool again = advice->trial->attempts > 1;

	(spec->args.numbers[SIGOPT_FALLBACK] != 0 ? product_init_full : product_init)(&s->product,
										      spec->space);
	s->sigopt = (struct sigopt){
		.base_url = spec->adviser.url,
		.token = &spec->adviser.secret,
		.connect_timeout_ms = (uint64_t)spec->adviser.connect_timeout_ms,
		.timeout_ms = (uint64_t)spec->adviser.timeout_ms,
	};
	if (advice->trial->kind == QUESTION_BEGIN) {
		begin(s);
	} else if (again) {
		list_open(s, "");
	} else if (advice->trial->kind == QUESTION_SUGGEST) {
		suggest(s);
	} else {
		observe(s);
	}
}

static void cancel(struct advice *advice)
{
	struct suggester *s = (struct suggester *)advice;

	sigopt_cancel(s->call);
	product_finish(&s->product);
}

const struct advice_ops advice_sigopt = {
	.size = sizeof(struct suggester),
	.ask = ask,
	.cancel = cancel,
};
