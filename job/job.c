/*
 * Makes, records and replays jobs, answers questions about them, and writes the data of their
 * events.
 */
#include "job/job.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/spec/codec_changes.h"
#include "job/fold.h"
#include "job/trial.h"

const char *const job_state_names[] = {
	[JOB_QUEUED] = "queued",       [JOB_BASELINE] = "baseline",
	[JOB_RUNNING] = "running",     [JOB_PAUSED] = "paused",
	[JOB_COMPLETED] = "completed", [JOB_FAILED] = "failed",
	[JOB_CANCELLED] = "cancelled", NULL,
};

struct job *job_create(const char *id, struct spec *spec, const struct clock *clock)
{
	struct job *job = mem_new(1, sizeof(*job));

	(void)snprintf(job->id, sizeof(job->id), "%s", id);
	job->spec = spec;
	job->clock = clock;
	job->max_trials = spec->max_trials;
	job->parallel = spec->parallel;
	job->timeout_s = spec->timeout_s;
	job->labels = json_incref(spec->labels);
	job->active_since = -1;
	job->problem = spec_problem(spec);
	map_init(&job->by_config);
	job->strangers = json_array();
	return job;
}

void job_destroy(struct job *job)
{
	if (job == NULL) {
		return;
	}
	if (job->strategy_ready) {
		strategy_finish(&job->strategy);
	}
	job_scores_finish(job);
	for (int64_t i = 0; i < job->trial_count; i++) {
		trial_destroy(job->trials[i]);
	}
	job_rows_clear(job);
	free(job->rows);
	free(job->trials);
	free(job->results);
	free(job->last_error);
	map_finish(&job->by_config);
	json_decref(job->strangers);
	json_decref(job->labels);
	json_decref(job->warm_baseline);
	spec_destroy(job->spec);
	free(job);
}

void job_rows_clear(struct job *job)
{
	for (size_t i = 0; i < job->row_count; i++) {
		json_decref(job->rows[i].data);
		free(job->rows[i].text);
	}
	job->row_count = 0;
}

void job_record(struct job *job, enum logged type, int64_t trial, json_t *data)
{
	json_t *object = data != NULL ? data : json_object();
	struct err why ERR_UNCLEARED;
	int rc;

	job->rows = mem_grow(job->rows, job->row_count + 1, sizeof(*job->rows));
	job->now_ms = wall_of(job->clock);
	job->rows[job->row_count++] = (struct row){type, trial, job->now_ms, object, NULL};
	rc = job_fold(job, type, trial, object, &why);
	assert(rc == 0);
	(void)rc;
}

int job_replay(struct job *job, enum logged type, int64_t trial, const json_t *data,
	       struct err *reterr)
{
	return job_fold(job, type, trial, data, reterr);
}

static bool best_meets(const struct job *job)
{
	return job->best != NULL && job->best->candidate.feasible;
}

/* Whether the best is all that is looked for, however much budget is left. */
static bool is_good_enough(const struct job *job)
{
	switch (job->spec->stop_on) {
	case STOP_FIRST_FEASIBLE:
		return best_meets(job) && !strategy_holds(&job->strategy);
	case STOP_FIRST_GAIN:
		return best_meets(job) && job->best->candidate.gains;
	default:
		return false;
	}
}

static const char *exit_reason(const struct job *job)
{
	if (job_failures(job) > job->spec->max_failed_trials) {
		return "too_many_failures";
	}
	if (is_good_enough(job)) {
		return "criterion_met";
	}
	if (job_next_result(job) != NULL || job->out > 0 || job->late > 0 ||
	    job->scores_due != NULL) {
		return NULL;
	}
	if (job->charged >= job->max_trials) {
		return "max_trials";
	}
	if (job->content && best_meets(job) && job->spec->stop_on != STOP_FIRST_GAIN) {
		return "criterion_met";
	}
	return job->exhausted ? "space_exhausted" : NULL;
}

const char *job_exit_reason(const struct job *job)
{
	if (job->state == JOB_QUEUED || !job->strategy_ready || strategy_owes(&job->strategy)) {
		return NULL;
	}
	return exit_reason(job);
}

const struct trial *job_to_confirm(const struct job *job, const char *reason)
{
	bool wanted = strcmp(reason, "too_many_failures") != 0;

	if (!wanted || job->best == NULL || job->best->number == 0 ||
	    !job->best->candidate.feasible || job->best->confirmed >= job->spec->confirm) {
		return NULL;
	}
	return job->best;
}

static char *config_key(const struct config *config, char *key)
{
	(void)snprintf(key, 24, "%016llx", (unsigned long long)config->hash);
	return key;
}

static struct trial *find_config(const struct job *job, const struct config *config, bool whole)
{
	char key[24];
	intptr_t number = map_get(&job->by_config, config_key(config, key), -1);
	struct trial *trial = number >= 0 ? job->trials[number] : NULL;

	if (trial == NULL || !config_equal(trial->config, config) || trial->excluded ||
	    (whole && trial->state == TRIAL_PRUNED)) {
		return NULL;
	}
	return trial;
}

static bool same_members(const json_t *a, const json_t *b)
{
	static const char *const members[] = {
		"config", "method", "phase",  "ops", "confidence_batches",
		"loss",   "subset", "options"};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const json_t *x = json_object_get(a, members[i]);
		const json_t *y = json_object_get(b, members[i]);

		if (x != y && json_equal(x, y) == 0) {
			return false;
		}
	}
	return true;
}

static struct trial *find_scores(const struct job *job, const struct question *question)
{
	json_t *asked = NULL, *known;
	struct trial *found = NULL;

	for (int64_t i = 1; i < job->trial_count && found == NULL; i++) {
		struct trial *trial = job->trials[i];

		if (trial->kind != QUESTION_SCORE || !trial->imported) {
			continue;
		}
		asked = asked != NULL ? asked : job_asked_data(job, question, -1, false);
		known = trial_question(trial);
		found = same_members(known, asked) ? trial : NULL;
		json_decref(known);
	}
	json_decref(asked);
	return found;
}

struct trial *job_find_twin(const struct job *job, const struct question *question)
{
	struct trial *twin;

	switch (question->kind) {
	case QUESTION_EVALUATE:
		if (question->ranks && job->spec->ranking != NULL) {
			return NULL;
		}
		twin = job_answered_by_baseline(job, question->config);
		return twin != NULL ? twin : find_config(job, question->config, question->whole);
	case QUESTION_SCORE:
		return find_scores(job, question);
	default:
		return NULL;
	}
}

bool job_asks_first(const struct job *job, const struct trial *trial)
{
	return trial->kind == QUESTION_EVALUATE && job->spec->ranking == NULL &&
	       find_config(job, trial->config, false) == trial;
}

bool job_has_baseline(const struct job *job)
{
	return job->trial_count > 0 && job->trials[0]->asked;
}

static void add_config(json_t *data, const struct config *config)
{
	char hash[24];

	(void)json_object_set_new(data, "config", codec_changes_json(config));
	(void)json_object_set_new(data, "hash", json_string(config_key(config, hash)));
}

json_t *job_asked_data(const struct job *job, const struct question *question, int64_t twin,
		       bool cached)
{
	json_t *data =
		json_pack("{s:s, s:s, s:s, s:I}", "kind", question_kind_names[question->kind],
			  "stage", question->stage, "source", cached ? "cache" : "measured", "seen",
			  (json_int_t)job->settled);

	if (question->config != NULL) {
		add_config(data, question->config);
	}
	if (twin >= 0) {
		(void)json_object_set_new(data, "twin", json_integer(twin));
	}
	if (question->subject > 0) {
		(void)json_object_set_new(data, "subject", json_integer(question->subject));
	}
	if (question->insists) {
		(void)json_object_set_new(data, "insists", json_true());
	}
	if (question->whole) {
		(void)json_object_set_new(data, "whole", json_true());
	}
	if (job->spec->ranking != NULL && (question->ranks || question->kind == QUESTION_SCORE)) {
		(void)json_object_set(data, "subset", job->spec->ranking);
	}
	if (question->kind == QUESTION_SCORE) {
		json_t *ops = json_array();

		for (size_t i = 0; i < question->op_count; i++) {
			(void)json_array_append_new(ops, json_integer(question->ops[i]));
		}
		(void)json_object_update_new(data,
					     json_pack("{s:s, s:s*, s:o, s:s*}", "method",
						       question->method, "phase", question->phase,
						       "ops", ops, "loss", question->loss));
		if (question->per_option) {
			(void)json_object_set_new(data, "options", json_true());
		}
		if (question->confidence_batches > 0) {
			(void)json_object_set_new(data, "confidence_batches",
						  json_integer(question->confidence_batches));
		}
	}
	return data;
}

static json_t *accuracy_json(const struct criterion *criterion, const double *accuracy)
{
	json_t *object;

	if (criterion->metrics[0].name == NULL) {
		return json_real(accuracy[0]);
	}
	object = json_object();
	for (size_t i = 0; i < criterion->metric_count; i++) {
		(void)json_object_set_new(object, criterion->metrics[i].name,
					  json_real(accuracy[i]));
	}
	return object;
}

static json_t *option_scores_json(const double *scores, size_t count)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		(void)json_array_append_new(list, json_real(scores[i]));
	}
	return list;
}

static json_t *scores_json(const struct job *job, const struct trial *trial,
			   const struct answer *answer)
{
	const struct space *space = job->spec->space;
	const double *next = answer->scores;
	json_t *scores = json_object();

	for (size_t i = 0; i < answer->score_count; i++) {
		size_t count = trial->per_option ? space_kind(space, trial->ops[i])->count : 1;

		(void)json_object_set_new(scores, space->ops[trial->ops[i]].name,
					  trial->per_option ? option_scores_json(next, count)
							    : json_real(*next));
		next += count;
	}
	return scores;
}

static json_t *measured_json(const struct spec *spec, const struct answer *answer)
{
	json_t *metrics = json_object();

	for (size_t i = 0; i < answer->metric_count; i++) {
		(void)json_object_set_new(metrics, answer->metrics[i].name,
					  json_real(answer->metrics[i].value));
	}
	return json_pack("{s:o, s:o}", "accuracy",
			 accuracy_json(&spec->criterion, answer->accuracy), "metrics", metrics);
}

json_t *job_told_data(const struct job *job, const struct trial *trial, const struct answer *answer)
{
	json_t *data;

	if (trial->kind == QUESTION_SCORE) {
		data = json_pack("{s:o}", "scores", scores_json(job, trial, answer));
	} else {
		data = measured_json(job->spec, answer);
		job_judge(job, data);
	}
	if (trial->kind == QUESTION_EVALUATE && trial->partial) {
		(void)json_object_set_new(data, "feasible", json_false());
	} else if (trial->kind == QUESTION_CONFIRM && job->spec->acceptance != NULL) {
		/* The bound is that of other data; what all of the proof comes to is judged in the best. */
		(void)json_object_set_new(data, "feasible", json_null());
		(void)json_object_set_new(data, "margin", json_null());
	}
	(void)json_object_set_new(data, "source", json_string("measured"));
	return data;
}

json_t *job_baseline_data(const struct job *job, const struct trial *baseline)
{
	struct criterion fixed = job->spec->criterion;
	json_t *bound, *told = trial_told(baseline), *data;

	(void)criterion_fix(&fixed, baseline->accuracy, NULL);
	bound = fixed.weighted ? json_real(fixed.bound[0]) : accuracy_json(&fixed, fixed.bound);
	data = json_pack("{s:O, s:O, s:O, s:o}", "accuracy", json_object_get(told, "accuracy"),
			 "metrics", json_object_get(told, "metrics"), "objective_value",
			 json_object_get(told, "objective_value"), "bound", bound);
	json_decref(told);
	return data;
}

int job_check_baseline(const struct job *job, const struct trial *baseline, struct err *reterr)
{
	struct criterion fixed = job->spec->criterion;
	struct strategy trial_run;
	int rc = criterion_fix(&fixed, baseline->accuracy, reterr);

	if (rc == 0) {
		rc = strategy_init(&trial_run, job->spec->strategy, &job->problem, &job->spec->args,
				   reterr);
	}
	if (rc == 0) {
		strategy_finish(&trial_run);
	}
	return rc;
}

json_t *job_imported_data(const struct spec *spec, const struct config *config,
			  const struct answer *answer)
{
	json_t *data = measured_json(spec, answer);

	(void)json_object_update_new(data, json_pack("{s:s, s:s, s:s}", "kind", "evaluate", "stage",
						     "import", "source", "imported"));
	add_config(data, config);
	return data;
}

void job_judge_imports(struct job *job)
{
	for (int64_t i = 1; i < job->trial_count; i++) {
		const struct trial *trial = job->trials[i];

		if (trial->imported && trial->kind == QUESTION_EVALUATE) {
			json_t *told = trial_told(trial);
			json_t *data = json_pack("{s:O, s:O}", "accuracy",
						 json_object_get(told, "accuracy"), "metrics",
						 json_object_get(told, "metrics"));

			json_decref(told);
			job_judge(job, data);
			(void)json_object_del(data, "accuracy");
			(void)json_object_del(data, "metrics");
			job_record(job, LOGGED_TRIAL_JUDGED, i, data);
		}
	}
}
