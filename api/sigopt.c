/*
 * The routes that a SigOpt client needs, with the strategies of this daemon behind them. An
 * experiment is a job, a suggestion a lease of one of its trials, an observation its answer.
 * Answers and errors have SigOpt's shapes.
 */
#include "api/idempotency.h"
#include "api/outcome.h"
#include "api/resources.h"
#include "api/sigopt_experiment.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum { OK = 200, PATIENCE_MS = 20000, POOL_SIZE = CALL_PARAM_SIZE + 8 };
#define YEAR_MS (INT64_C(366) * 24 * 3600 * 1000)

/* Its questions wait where nobody else comes for them: the name of a pool has no colon. */
static void name_pool(const char *experiment, char ret[POOL_SIZE])
{
	(void)snprintf(ret, POOL_SIZE, "sigopt:%s", experiment);
}

/* What is wrong with a request is 400 there, never 422. */
static void refuse(struct call *call, struct err *err)
{
	err->code = ERR_BAD_REQUEST;
	call_fail(call, err);
}

static void destroy_json(void *value)
{
	json_decref(value);
}

static void keep(struct call *call, json_t *experiment)
{
	call->state = json_incref(experiment);
	call->state_destroy = destroy_json;
}

/* The experiment as it was posted, and how far it is. `job` is the job's document or NULL. */
static json_t *document(const char *id, const json_t *experiment, const json_t *job)
{
	const json_t *progress = json_object_get(job, "progress");
	json_int_t count = json_integer_value(json_object_get(progress, "told")) +
			   json_integer_value(json_object_get(progress, "failed"));
	json_t *copy = sigopt_experiment_document(experiment);

	(void)json_object_update_new(
		copy, json_pack("{s:s, s:s, s:s, s:{s:s, s:I, s:I}}", "object", "experiment", "id",
				id, "state", "active", "progress", "object", "progress",
				"observation_count", count, "observation_budget_consumed", count));
	return copy;
}

/* Keeps the answer until what it says is on disk. Takes over `value`. */
static const struct store_key *promise(struct call *call, json_t *value)
{
	const struct store_key *key = idempotency_key(call, OK, NULL);

	if (call->state_destroy != NULL) {
		call->state_destroy(call->state);
	}
	call->state = json_text(value);
	call->state_destroy = free;
	call->stored.body = call->state;
	json_decref(value);
	return key;
}

static void on_written(void *arg, int rc, const struct err *err)
{
	struct call *call = arg;
	struct err why;

	if (call->request != NULL && rc == -ERR_GONE) {
		why = *err;
		refuse(call, &why);
	} else if (call->request != NULL && rc != 0) {
		call_fail(call, err);
	} else if (call->request != NULL) {
		call_reply_copy(call, OK, call->state);
	}
	call_unref(call);
}

static void create(struct call *call)
{
	char pool[POOL_SIZE];
	struct prepared *prepared;
	struct err err;

	if (call->server->draining) {
		call_error(call, ERR_DRAINING, "the daemon is stopping");
		return;
	}
	if (!call_may_submit(call, false)) {
		return;
	}
	id_make(call->id, "job_");
	name_pool(call->id, pool);
	prepared = sigopt_experiment_prepare(call->body, pool, &err);
	if (prepared == NULL) {
		refuse(call, &err);
		return;
	}
	(void)snprintf(prepared->owner, sizeof(prepared->owner), "%s", call->who.owner);
	call_ref(call);
	tuner_submit(call->server->tuner, prepared,
		     promise(call, document(call->id, call->body, NULL)), call->id, on_written,
		     call);
}

void sigopt_create(struct call *call)
{
	idempotency_run(call, create);
}

/* Keeps the experiment of the job's row; false after answering that there is none. */
static bool find_experiment(struct call *call, const struct store_rows *rows)
{
	json_t *evaluator =
		rows->count > 0 ? json_loads(rows->cells[JOB_EVALUATOR], 0, NULL) : NULL;
	json_t *experiment = sigopt_experiment_of(evaluator);

	if (experiment != NULL) {
		keep(call, experiment);
	} else {
		call_error(call, ERR_NOT_FOUND, "no experiment has the id %s", call->params[0]);
	}
	json_decref(evaluator);
	return experiment != NULL;
}

static void read_experiment(struct call *call,
			    void (*next)(struct call *call, const struct store_rows *rows))
{
	call_find(call, QUERY_JOB, next);
}

static void get(struct call *call, const struct store_rows *rows)
{
	if (find_experiment(call, rows)) {
		json_t *job = json_loads(rows->cells[JOB_DOCUMENT], 0, NULL);

		call_reply_json(call, OK, document(call->params[0], call->state, job));
		json_decref(job);
	}
}

void sigopt_get(struct call *call)
{
	read_experiment(call, get);
}

static json_t *suggestion(const struct call *call, const json_t *question)
{
	json_int_t trial = json_integer_value(json_object_get(question, "trial"));
	json_t *config = json_object_get(question, "config");
	char id[24];

	(void)snprintf(id, sizeof(id), "%lld", (long long)trial);
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:O?}", "object", "suggestion", "id", id,
			 "experiment", call->params[0], "state", "open", "assignments",
			 sigopt_experiment_assignments(call->state, config), "created",
			 (json_int_t)call->asked_s, "metadata",
			 json_object_get(call->body, "metadata"));
}

/* What is asked of an experiment that is not in memory, before it was read or since a write of it failed, gets no answer
 * for good. */
static bool is_here(struct call *call)
{
	bool away = tuner_is_away(call->server->tuner, call->params[0]);

	if (away) {
		call_error(call, ERR_OVERLOADED,
			   "the experiment is being read from the disk: try again in a second");
	}
	return !away;
}

/* It may have got lost while the client waited. */
static void reply_none(struct call *call)
{
	if (call->server->draining) {
		call_error(call, ERR_DRAINING, "the daemon is stopping");
		return;
	}
	if (!is_here(call)) {
		return;
	}
	if (tuner_version(call->server->tuner, call->params[0]) < 0) {
		call_error(call, ERR_BAD_REQUEST,
			   "the experiment is over: its budget is used up, nothing is left to "
			   "try, or it was ended");
	} else {
		call_error(call, ERR_TOO_MANY,
			   "as many suggestions are open as parallel_bandwidth allows: observe "
			   "one");
	}
}

static char *suggestion_text(void *arg, const json_t *items)
{
	json_t *body = suggestion(arg, json_array_get(items, 0));
	char *text = json_text(body);

	json_decref(body);
	return text;
}

static bool on_leases(void *arg, json_t *items, const struct err *err)
{
	struct call *call = arg;
	bool here = !request_left(call->request);

	call->poll = NULL;
	if (items == NULL) {
		call_fail(call, err);
	} else if (json_array_size(items) == 0) {
		reply_none(call);
	} else {
		call_reply_json(call, OK, suggestion(call, json_array_get(items, 0)));
	}
	return here;
}

static void check_suggestion(const struct call *call, struct err *reterr)
{
	static const char *const members[] = {"metadata", NULL};
	struct json_at at = json_root(call->body, reterr);
	struct json_at metadata = json_member(&at, "metadata");

	err_init(reterr);
	if (call->body != NULL && json_is_object_at(&at)) {
		json_only(&at, members);
	}
	if (metadata.value != NULL && !json_is_null(metadata.value)) {
		(void)json_is_object_at(&metadata);
	}
}

static void suggest(struct call *call, const struct store_rows *rows)
{
	char pool[POOL_SIZE];
	struct lease_request request = {.pool = pool,
					.worker = "sigopt",
					.owner = call->who.owner,
					.every_owner = true,
					.max = 1,
					.wait_ms = PATIENCE_MS,
					.ttl_ms = YEAR_MS,
					.text = suggestion_text};
	struct err err;

	if (!find_experiment(call, rows) || !is_here(call)) {
		return;
	}
	check_suggestion(call, &err);
	if (err.code != ERR_OK) {
		refuse(call, &err);
	} else if (call->server->draining) {
		call_error(call, ERR_DRAINING, "the daemon is stopping");
	} else if (tuner_version(call->server->tuner, call->params[0]) < 0) {
		reply_none(call);
	} else {
		request.wait_ms = request_may_wait(call->request) ? PATIENCE_MS : 0;
		request.key = idempotency_key(call, OK, NULL);
		call->asked_s = clock_wall_ms() / 1000; /* the answer and its copy say the same */
		name_pool(call->params[0], pool);
		call->poll = tuner_lease_poll(call->server->tuner, &request, on_leases, call);
	}
}

static void find_and_suggest(struct call *call)
{
	read_experiment(call, suggest);
}

void sigopt_suggest(struct call *call)
{
	idempotency_run(call, find_and_suggest);
}

static json_t *observation(const struct call *call, int64_t trial)
{
	json_t *copy = json_copy(call->body);
	char id[24];

	(void)snprintf(id, sizeof(id), "%lld", (long long)trial);
	(void)json_object_update_new(copy, json_pack("{s:s, s:s, s:s, s:s, s:I}", "object",
						     "observation", "id", id, "suggestion", id,
						     "experiment", call->params[0], "created",
						     (json_int_t)(clock_wall_ms() / 1000)));
	return copy;
}

/* The number of the trial that is observed, or -1. SigOpt takes ids as text and as number. */
static int64_t subject(const struct call *call)
{
	const json_t *suggestion = json_object_get(call->body, "suggestion");
	const char *text = json_string_value(suggestion);
	char *end;
	int64_t number;

	if (json_whole(suggestion, &number)) {
		return number;
	}
	number = text != NULL ? strtoll(text, &end, 10) : -1;
	return text != NULL && *text != '\0' && *end == '\0' ? number : -1;
}

static void observe(struct call *call, const struct store_rows *rows)
{
	int64_t trial = subject(call);
	const char *lease = tuner_lease_of(call->server->tuner, call->params[0], trial);
	json_t *answer;
	struct err err;

	if (!find_experiment(call, rows) || !is_here(call)) {
		return;
	}
	answer = sigopt_experiment_answer(call->state, call->body, &err);
	if (err.code != ERR_OK) {
		refuse(call, &err);
	} else if (lease == NULL) {
		call_error(call, ERR_BAD_REQUEST,
			   "\"suggestion\" names no open suggestion of this experiment");
	} else {
		call_ref(call);
		tuner_lease_complete(call->server->tuner, lease, answer,
				     promise(call, observation(call, trial)), on_written, call);
	}
	json_decref(answer);
}

static void find_and_observe(struct call *call)
{
	read_experiment(call, observe);
}

void sigopt_observe(struct call *call)
{
	idempotency_run(call, find_and_observe);
}

/* Nothing that meets the constraints yet is an empty page. */
static void reply_best(struct call *call, json_t *data)
{
	call_reply_json(call, OK,
			json_pack("{s:s, s:i, s:{s:n, s:n}, s:o}", "object", "pagination", "count",
				  (int)json_array_size(data), "paging", "before", "after", "data",
				  data));
}

static void on_best(struct call *call, const struct store_rows *rows)
{
	const struct outcome *outcome = call->state;
	json_t *evaluator = json_loads(outcome->evaluator_text, 0, NULL);
	json_t *experiment = sigopt_experiment_of(evaluator);
	json_t *trial = json_loads(rows->cells[0], 0, NULL);
	json_t *config = outcome_config(outcome, rows->cells[1]);

	reply_best(call, json_pack("[{s:s, s:s, s:o, s:o}]", "object", "best_assignments", "id",
				   call->params[0], "assignments",
				   sigopt_experiment_assignments(experiment, config), "values",
				   sigopt_experiment_values(experiment, trial)));
	json_decref(evaluator);
	json_decref(trial);
	json_decref(config);
}

static void read_best(struct call *call)
{
	const struct outcome *outcome = call->state;

	if (!json_is_true(json_object_get(json_object_get(outcome->job, "best"), "feasible")) ||
	    !outcome_read_best(call, on_best)) {
		reply_best(call, json_array());
	}
}

static void best(struct call *call, const struct store_rows *rows)
{
	if (!find_experiment(call, rows)) {
		return;
	}
	json_decref(call->state);
	call->state = NULL;
	call->state_destroy = NULL;
	outcome_keep(call, rows, read_best);
}

void sigopt_best(struct call *call)
{
	read_experiment(call, best);
}
