/* Records what a job asks, and what follows from the answers for the rest of the job. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/active.h"
#include "job/figures.h"
#include "job/fold.h"
#include "job/next.h"
#include "job/trial.h"
#include "job/unscored.h"
#include "job/warm.h"
#include "job/words.h"

/* What of a result goes for a trial with an equal config. */
static json_t *copied(const struct job *job, const struct trial *twin)
{
	static const char *const members[] = {"accuracy", "metrics", "feasible", "objective_value",
					      "margin",   "scores",  "estimate", "verdict"};
	json_t *data = json_pack("{s:s}", "source", "cache"), *told = trial_told(twin);

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		(void)json_object_set(data, members[i], json_object_get(told, members[i]));
	}
	json_decref(told);
	if (twin->kind == QUESTION_BASELINE) {
		job_judge(job, data); /* there was no bound yet */
	}
	return data;
}

/* Gives a trial the result of the one that it repeats. */
static void share_result(struct job *job, const struct trial *twin, int64_t number)
{
	if (twin->state == TRIAL_TOLD) {
		job_record(job, LOGGED_TRIAL_TOLD, number, copied(job, twin));
	} else if (twin->state == TRIAL_PRUNED) {
		job_record(job, LOGGED_TRIAL_PRUNED, number, copied(job, twin));
	} else if (twin->state == TRIAL_FAILED) {
		job_record(job, LOGGED_TRIAL_FAILED, number,
			   json_pack("{s:s, s:i}", "error", "the same config failed before",
				     "attempts", 0));
	}
}

static void share_results(struct job *job, const struct trial *twin)
{
	for (int64_t i = twin->number + 1; i < job->trial_count; i++) {
		const struct trial *trial = job->trials[i];

		if (trial->cached && trial->twin == twin->number && trial->state < TRIAL_TOLD) {
			share_result(job, twin, i);
		}
	}
}

/* Takes over `data`. */
static struct trial *asked(struct job *job, int64_t number, json_t *data)
{
	job_record(job, LOGGED_QUESTION_ASKED, number, data);
	return job->trials[number];
}

static void enter_stage(struct job *job, const char *stage)
{
	if (strcmp(job->stage, stage) != 0) {
		job_record(job, LOGGED_STAGE_ENTERED, -1, json_pack("{s:s}", "stage", stage));
	}
}

struct trial *job_ask_baseline(struct job *job)
{
	struct question question = {.kind = QUESTION_BASELINE, .stage = "baseline"};

	if (job->state == JOB_QUEUED) {
		job_move(job, JOB_BASELINE);
	}
	return asked(job, 0, job_asked_data(job, &question, -1, false));
}

struct trial *job_ask_again(struct job *job, const struct next *next)
{
	struct question question = {.kind = QUESTION_CONFIRM,
				    .stage = "confirm",
				    .config = job->trials[next->trial]->config};
	json_t *data;

	enter_stage(job, question.stage);
	data = job_asked_data(job, &question, next->trial, false);
	if (job->spec->rules >= 2) {
		(void)json_object_set_new(data, "round", json_integer(next->round));
		if (job->spec->acceptance != NULL) {
			(void)json_object_set(data, "subset", job->spec->acceptance);
		}
	}
	return asked(job, job->trial_count, data);
}

struct trial *job_ask(struct job *job, const struct question *question)
{
	struct trial *twin = job_find_twin(job, question);
	int64_t number = job->trial_count, same = twin != NULL ? twin->number : -1;
	bool known = twin != NULL && !(question->again && twin->number > 0);
	struct trial *trial;

	enter_stage(job, question->stage);
	trial = asked(job, number, job_asked_data(job, question, same, known));
	if (known) {
		share_result(job, twin, number);
	}
	return known ? NULL : trial;
}

bool job_ask_nothing(struct job *job, enum step step)
{
	job->exhausted = step == STEP_DONE || step == STEP_CONTENT;
	job->content = step == STEP_CONTENT;
	job->starved = step == STEP_WAIT;
	if (step == STEP_WAIT && job->out == 0 && job_settle(job) == 0) {
		job->exhausted = true;
		return false;
	}
	return true;
}

static void after_baseline(struct job *job, const struct trial *trial)
{
	struct err why;

	if (job_check_baseline(job, trial, &why) != 0) {
		job_end(job, JOB_FAILED, "baseline_failed", why.message);
		return;
	}
	job_record(job, LOGGED_BASELINE_MEASURED, 0, job_baseline_data(job, trial));
	job_judge_imports(job);
	warm_compare(job);
	if (job->state == JOB_BASELINE) {
		job_move(job, JOB_RUNNING);
	}
}

/* What the stored trial shows of it. Without the loss under rules that do not ask for one. */
static json_t *rejection_data(const struct job *job, const struct trial *rejected)
{
	bool early = job->spec->rules < 2;
	char *why = early ? mem_dup("measured again, the config does not meet the criterion")
			  : words_rejection(job, rejected);
	json_t *data = json_pack("{s:s, s:b}", "detail", why, "rejects", true);
	struct figures f;

	free(why);
	if (!early) {
		figures_init(&f, job, rejected);
		if (isfinite(f.loss)) {
			(void)json_object_set_new(data, "accuracy_loss", json_real(f.loss));
		}
		figures_finish(&f);
	}
	return data;
}

void job_after_result(struct job *job, struct trial *trial)
{
	if (trial->kind == QUESTION_BASELINE) {
		after_baseline(job, trial);
	} else if (trial->kind == QUESTION_CONFIRM && trial->twin > 0 &&
		   job->trials[trial->twin]->rejected) {
		job_record(job, LOGGED_MEASUREMENT_DISAGREES, trial->twin,
			   rejection_data(job, job->trials[trial->twin]));
	} else if (trial->kind == QUESTION_EVALUATE) {
		share_results(job, trial);
	}
}

/* Nobody can tell how true the first measurement is. */
static void warn_unconfirmed(struct job *job, const struct trial *trial, const char *error)
{
	char *text = trial->twin > 0
			     ? mem_printf("the choice, trial %lld, could not be measured "
					  "again: %s",
					  (long long)trial->twin, error)
			     : mem_printf("the baseline could not be measured again: %s", error);

	job_record(job, LOGGED_WARNING, -1, json_pack("{s:s}", "detail", text));
	free(text);
}

/* False when the strategy cannot go on without these scores: the job has ended. */
static bool go_on_unscored(struct job *job, const struct trial *trial, const char *error)
{
	char *text;

	if (job->told_count > 0) {
		return true; /* what is told takes the place of what was asked */
	}
	text = unscored_text(job, trial, error);
	if (unscored_is_fatal(trial)) {
		job_end(job, JOB_FAILED, "score_failed", text);
		free(text);
		return false;
	}
	unscored_warn(job, text);
	return true;
}

void job_after_failure(struct job *job, struct trial *trial, const char *error)
{
	if (trial->kind == QUESTION_BASELINE) {
		job_end(job, JOB_FAILED, "baseline_failed", error);
		return;
	}
	if (question_is_advice(trial->kind)) {
		job_end(job, JOB_FAILED, "error", error);
		return;
	}
	if (trial->kind == QUESTION_SCORE && !go_on_unscored(job, trial, error)) {
		return;
	}
	if (trial->kind == QUESTION_CONFIRM) {
		warn_unconfirmed(job, trial, error);
	}
	share_results(job, trial);
}
