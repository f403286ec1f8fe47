/*
 * The table of what each event does to a job, and those of its rows that have no file of their
 * own.
 */
#include "job/fold.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/spec/codec_changes.h"
#include "job/trial.h"

int job_corrupt(struct err *reterr, const char *what)
{
	return err_set(reterr, ERR_CORRUPT, "the log does not fit together: %s", what);
}

/* An import is better than a failure to answer the next question about the config. */
static void remember_config(struct job *job, const struct trial *trial)
{
	char key[24];
	intptr_t known;

	(void)snprintf(key, sizeof(key), "%016llx", (unsigned long long)trial->config->hash);
	known = map_get(&job->by_config, key, -1);
	if (known < 0 || job->trials[known]->state == TRIAL_PRUNED ||
	    job->trials[known]->excluded ||
	    (trial->imported && job->trials[known]->state > TRIAL_TOLD)) {
		map_set(&job->by_config, key, (intptr_t)trial->number);
	}
}

static void tell_asked(struct job *job, const struct trial *trial)
{
	struct event event = {
		.type = EVENT_ASKED,
		.trial = trial->number,
		.kind = trial->kind,
		.config = trial->config,
		.ops = trial->ops,
		.op_count = trial->op_count,
	};

	strategy_apply_later(&job->strategy, &event);
}

int job_settle_until(struct job *job, int64_t seen, struct err *reterr)
{
	while (job->settled < seen) {
		int64_t number = job->spec->deterministic           ? job->settled + 1
				 : job->settled < job->result_count ? job->results[job->settled]
								    : job->trial_count;

		if (number >= job->trial_count || job->trials[number]->state < TRIAL_TOLD) {
			return job_corrupt(reterr,
					   "a question rests on a result that is not there");
		}
		job_settle_one(job, job->trials[number]);
	}
	return 0;
}

/* What was asked, whoever did. */
static int read_question(struct job *job, struct trial *trial, const json_t *data,
			 struct err *reterr)
{
	const json_t *config = json_object_get(data, "config");
	const json_t *twin = json_object_get(data, "twin");
	int kind = job_name_index(data, "kind", question_kind_names);

	trial->kind = kind >= 0 ? (enum question_kind)kind : QUESTION_EVALUATE;
	trial->twin = twin != NULL ? json_integer_value(twin) : -1;
	trial->subject = json_integer_value(json_object_get(data, "subject"));
	trial->round = (int32_t)json_integer_value(json_object_get(data, "round"));
	trial->config = config != NULL ? codec_changes_read(job->spec->space, config) : NULL;
	if (kind < 0 || (config != NULL && trial->config == NULL) ||
	    (trial->kind == QUESTION_EVALUATE && trial->config == NULL) ||
	    trial->twin >= trial->number || trial->subject < 0 || trial->subject > trial->number) {
		return job_corrupt(reterr, "a question that the space does not have");
	}
	trial_keep_question(trial, data);
	if (trial->kind == QUESTION_SCORE) {
		job_read_score_question(trial, data);
	}
	return 0;
}

static int on_asked(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	const char *source = json_string_value(json_object_get(data, "source"));
	int rc = job_settle_until(job, json_integer_value(json_object_get(data, "seen")), reterr);

	if (rc == 0) {
		rc = read_question(job, trial, data, reterr);
	}
	if (rc != 0) {
		return rc;
	}
	if (job_is_strategys(trial) && !job->strategy_ready) {
		return job_corrupt(reterr, "a question before the baseline");
	}
	trial->since_ms = job->now_ms;
	trial->cached = source != NULL && strcmp(source, "cache") == 0;
	trial->insists = json_is_true(json_object_get(data, "insists"));
	trial->whole = json_is_true(json_object_get(data, "whole"));
	trial->partial = trial->kind != QUESTION_CONFIRM && json_object_get(data, "subset") != NULL;
	if (trial->whole && trial->twin >= 0) {
		job->trials[trial->twin]->whole = true; /* two want its numbers now */
	}
	if (trial->kind == QUESTION_EVALUATE) {
		if (!trial->partial) {
			remember_config(job, trial);
		}
		job->charged += !trial->cached;
	}
	job->out += !trial->cached;
	if (job_is_strategys(trial)) {
		tell_asked(job, trial);
	}
	return 0;
}

static void add_result(struct job *job, struct trial *trial)
{
	if (trial->settled) {
		trial->late = trial->state == TRIAL_TOLD;
		job->late += trial->late;
	} else if (trial->number > 0) {
		job->results = mem_grow(job->results, (size_t)job->result_count + 1,
					sizeof(*job->results));
		job->results[job->result_count++] = trial->number;
	}
	if (trial->kind == QUESTION_CONFIRM) {
		job_weigh_confirmation(job, trial);
	}
}

static void stand(const struct job *job, struct trial *trial)
{
	trial->candidate = job_candidate(job, trial->accuracy, trial->objectives);
	trial->candidate.feasible = trial->candidate.feasible && !trial->partial;
	trial->candidate.number = trial->number;
	trial->candidate.insists = trial->insists;
	trial->candidate.gains = trial->number > 0 && job_gains(job, trial);
	trial->candidate.fallbacks =
		trial->config != NULL ? config_fallbacks(trial->config, job->spec->space) : 0;
}

static int read_advice(const struct job *job, struct trial *trial, const json_t *data,
		       struct err *reterr)
{
	const json_t *suggestion = json_object_get(data, "suggestion");

	if (suggestion == NULL) {
		return 0;
	}
	trial->config = codec_changes_read(job->spec->space, suggestion);
	return trial->config != NULL ? 0 : job_corrupt(reterr, "a suggestion outside of the space");
}

static void take_result(struct job *job, struct trial *trial, const json_t *data)
{
	trial_keep_told(trial, data);
	trial->remembered = json_is_true(json_object_get(data, "cached"));
	trial->state = TRIAL_TOLD;
	if (trial->kind == QUESTION_SCORE) {
		job_read_scores(job->spec->space, trial, json_object_get(data, "scores"));
	} else if (!question_is_advice(trial->kind)) {
		job->ranked = job->ranked && trial->kind != QUESTION_EVALUATE;
		job_read_measurement(job->spec, data, trial->accuracy, trial->objectives);
		stand(job, trial);
	}
	add_result(job, trial);
}

static int on_told(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	if (trial->state >= TRIAL_TOLD) {
		return job_corrupt(reterr, "a second result of one trial");
	}
	job_take_active(job, data);
	job->failed_in_row = 0;
	job->out -= !trial->cached;
	job_retry_over(job, trial);
	take_result(job, trial, data);
	return question_is_advice(trial->kind) ? read_advice(job, trial, data, reterr) : 0;
}

static int on_imported(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	int rc = trial->number > 0 && !trial->asked
			 ? read_question(job, trial, data, reterr)
			 : job_corrupt(reterr, "an import in the place of another trial");

	if (rc != 0) {
		return rc;
	}
	if (!job_is_strategys(trial) || trial->config == NULL) {
		return job_corrupt(reterr, "an import that no strategy could ask for");
	}
	trial->imported = true;
	take_result(job, trial, data);
	if (trial->kind == QUESTION_EVALUATE) {
		remember_config(job, trial);
	}
	return 0;
}

static int on_judged(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	json_t *told;

	if (!trial->imported || !job->strategy_ready || trial->settled) {
		return job_corrupt(reterr, "a judgement of a trial that has one");
	}
	told = trial_told(trial);
	(void)json_object_update(told, (json_t *)data);
	trial_keep_told(trial, told);
	json_decref(told);
	stand(job, trial);
	return 0;
}

/* What shares a failure says nothing new. */
static void note_failure(struct job *job, const struct trial *trial, const json_t *data)
{
	const char *error = json_string_value(json_object_get(data, "error"));
	const char *who = json_string_value(json_object_get(data, "worker"));

	if (error != NULL && !trial->cached) {
		bool named = who == NULL || strncmp(error, who, strlen(who)) == 0;

		free(job->last_error);
		job->last_error = mem_printf("%s%s%s", named ? "" : who, named ? "" : ": ", error);
		job->last_failed = trial->number;
	}
}

static int on_failed(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	if (trial->state >= TRIAL_TOLD) {
		return job_corrupt(reterr, "a failure of a trial that has a result");
	}
	trial->state = TRIAL_FAILED;
	job_take_active(job, data);
	note_failure(job, trial, data);
	trial->by_hand = json_is_true(json_object_get(data, "by_hand"));
	job->failed += !trial->cached && !trial->by_hand;
	job->failed_in_row++;
	job->out -= !trial->cached;
	job_retry_over(job, trial);
	add_result(job, trial);
	return 0;
}

/* Merit and margin are estimates; there is no objective. */
static int on_pruned(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	if (trial->state >= TRIAL_TOLD || trial->kind != QUESTION_EVALUATE) {
		return job_corrupt(reterr, "an early verdict on what has a result");
	}
	job_take_active(job, data);
	job->failed_in_row = 0;
	job->out -= !trial->cached;
	job_retry_over(job, trial);
	trial_keep_told(trial, data);
	trial->state = TRIAL_PRUNED;
	trial->accuracy[0] = json_number_value(json_object_get(data, "estimate"));
	trial->candidate = (struct candidate){
		.merit = criterion_merit(&job->spec->criterion, trial->accuracy),
		.margin = json_number_value(json_object_get(data, "margin")),
		.objective = NAN,
		.number = trial->number,
	};
	add_result(job, trial);
	return 0;
}

static int on_cancelled(struct job *job, struct trial *trial, const json_t *data,
			struct err *reterr)
{
	(void)data;
	(void)reterr;
	job->out -= !trial->cached;
	job_retry_over(job, trial);
	trial->state = TRIAL_CANCELLED;
	return 0;
}

static int on_baseline(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	struct event event = {.type = EVENT_TOLD, .kind = QUESTION_BASELINE, .feasible = true};
	int rc;

	(void)data;
	if (trial->number != 0 || trial->state != TRIAL_TOLD || job->strategy_ready) {
		return job_corrupt(reterr, "a baseline out of place");
	}
	rc = criterion_fix(&job->spec->criterion, trial->accuracy, reterr);
	if (rc == 0) {
		rc = strategy_init(&job->strategy, job->spec->strategy, &job->problem,
				   &job->spec->args, reterr);
	}
	if (rc != 0) {
		return rc;
	}
	trial->candidate = job_candidate(job, trial->accuracy, trial->objectives);
	event.merit = trial->candidate.merit;
	event.margin = trial->candidate.margin;
	event.objective = job_told_objective(job, trial);
	job->strategy_ready = true;
	strategy_apply_later(&job->strategy, &event);
	return 0;
}

static int on_best(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	const json_t *seen = json_object_get(data, "seen");
	int rc = 0;

	trial->best_logged = true;
	job->named = trial;
	/* What is handed over in the end may be another than the best of single measurements. */
	if (seen != NULL) {
		rc = job_settle_until(job, json_integer_value(seen), reterr);
		job->best = trial;
	}
	return rc;
}

static int on_warning(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	(void)trial;
	(void)reterr;
	(void)json_array_extend(job->strangers, json_object_get(data, "members"));
	job->waits_known = job->waits_known || json_object_get(data, "topic") != NULL;
	return 0;
}

static int on_nothing(struct job *job, struct trial *trial, const json_t *data, struct err *reterr)
{
	(void)job;
	(void)trial;
	(void)data;
	(void)reterr;
	return 0;
}

static fold_fn *const folds[] = {
	[LOGGED_JOB_SUBMITTED] = job_on_submitted,
	[LOGGED_STATE_CHANGED] = job_on_state,
	[LOGGED_JOB_EDITED] = job_on_edited,
	[LOGGED_STAGE_ENTERED] = job_on_stage,
	[LOGGED_QUESTION_ASKED] = on_asked,
	[LOGGED_QUESTION_LEASED] = job_on_leased,
	[LOGGED_LEASE_ACCEPTED] = job_on_accepted,
	[LOGGED_LEASE_EXPIRED] = job_on_attempt_over,
	[LOGGED_LEASE_RETURNED] = job_on_returned,
	[LOGGED_ATTEMPT_FAILED] = job_on_attempt_over,
	[LOGGED_LATE_ANSWER] = on_nothing,
	[LOGGED_TRIAL_TOLD] = on_told,
	[LOGGED_TRIAL_IMPORTED] = on_imported,
	[LOGGED_TRIAL_JUDGED] = on_judged,
	[LOGGED_TRIAL_FAILED] = on_failed,
	[LOGGED_TRIAL_PRUNED] = on_pruned,
	[LOGGED_TRIAL_CANCELLED] = on_cancelled,
	[LOGGED_TRIAL_RETRIED] = job_on_retried,
	[LOGGED_TRIAL_REVISED] = job_on_revised,
	[LOGGED_TRIAL_EXCLUDED] = job_on_excluded,
	[LOGGED_TRIAL_INCLUDED] = job_on_included,
	[LOGGED_BASELINE_MEASURED] = on_baseline,
	[LOGGED_NEW_BEST] = on_best,
	[LOGGED_TRIALS_RANKED] = job_on_ranked,
	[LOGGED_NO_GAIN_SO_FAR] = job_on_no_gain,
	[LOGGED_MEASUREMENT_DISAGREES] = on_nothing,
	[LOGGED_WARNING] = on_warning,
	[LOGGED_TIMEOUT] = on_nothing,
	[LOGGED_SCORES_TOLD] = job_on_scores_told,
	[LOGGED_SCORES_TAKEN] = job_on_scores_taken,
};

_Static_assert(sizeof(folds) / sizeof(folds[0]) == LOGGED_TYPES_, "every event is folded");

static struct trial *add_trial(struct job *job)
{
	struct trial *trial = trial_create(job, job->trial_count);

	job->trials = mem_grow(job->trials, (size_t)job->trial_count + 1, sizeof(*job->trials));
	job->trials[job->trial_count++] = trial;
	return trial;
}

int job_fold(struct job *job, enum logged type, int64_t trial, const json_t *data,
	     struct err *reterr)
{
	bool begins = type == LOGGED_QUESTION_ASKED || type == LOGGED_TRIAL_IMPORTED;
	struct trial *subject = NULL;

	if (type == LOGGED_TYPES_) {
		return job_corrupt(reterr, "an unknown type of event");
	}
	if (type == LOGGED_TRIAL_IMPORTED && trial == 1 && job->trial_count == 0) {
		(void)add_trial(job); /* the baseline's place */
	}
	if (begins && trial == job->trial_count) {
		subject = add_trial(job);
	} else if (logged_is_of_trial(type)) {
		if (trial < 0 || trial >= job->trial_count) {
			return job_corrupt(reterr, "an event of a trial that is not there");
		}
		subject = job->trials[trial];
	}
	job->version++;
	return folds[type](job, subject, data, reterr);
}
