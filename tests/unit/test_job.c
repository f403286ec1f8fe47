/*
 * The job's fold: order of settling, exit policy, confirmation, and that a replay of the recorded
 * rows gives the same job.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/fold.h"
#include "job/job.h"
#include "set_clock.h"

/* Rows as the store would have kept them. */
struct log_row {
	enum logged type;
	int64_t trial;
	json_t *data;
};

struct fixture {
	struct job *job;
	struct log_row *rows;
	size_t count;
};

static struct spec *make_spec(const char *extra)
{
	char *text = mem_printf(
		"{\"capability\": {\"op_types\": {\"Conv\": {\"static\": {\"weight\": {\"dtype\": "
		"[\"int8\"], \"granularity\": [\"per_channel\", \"per_tensor\"]}}}}, \"ops\": "
		"[{\"name\": \"a\", \"type\": \"Conv\"}, {\"name\": \"b\", \"type\": \"Conv\"}, "
		"{\"name\": \"c\", \"type\": \"Conv\"}]}, \"evaluator\": {\"url\": "
		"\"http://127.0.0.1:9001\"}%s}",
		extra);
	json_t *body = json_loads(text, 0, NULL);
	struct err err;
	struct spec *spec = spec_create(body, json_object_get(body, "capability"),
					json_object_get(body, "evaluator"), &err);

	cr_assert_not_null(spec, "%s", err.message);
	json_decref(body);
	free(text);
	return spec;
}

static void flush(struct fixture *f)
{
	for (size_t i = 0; i < f->job->row_count; i++) {
		const struct row *row = &f->job->rows[i];
		char *text = json_text(row->data);

		f->rows = mem_grow(f->rows, f->count + 1, sizeof(*f->rows));
		f->rows[f->count++] =
			(struct log_row){row->type, row->trial, json_loads(text, 0, NULL)};
		free(text);
	}
	job_rows_clear(f->job);
}

static void record(struct fixture *f, enum logged type, int64_t trial, json_t *data)
{
	job_record(f->job, type, trial, data);
	flush(f);
}

static void told(struct fixture *f, int64_t trial, double accuracy, double latency)
{
	struct answer answer = {.accuracy_count = 1, .accuracy = {accuracy}, .metric_count = 1};

	answer.metrics[0] = (struct answer_metric){(char *)"latency_ms", latency};
	record(f, LOGGED_TRIAL_TOLD, trial, job_told_data(f->job, f->job->trials[trial], &answer));
}

static void start(struct fixture *f, const char *extra, double accuracy)
{
	struct question baseline = {.kind = QUESTION_BASELINE, .stage = "baseline"};

	memset(f, 0, sizeof(*f));
	f->job = job_create("job_TEST", make_spec(extra), &set_clock);
	record(f, LOGGED_JOB_SUBMITTED, -1, NULL);
	record(f, LOGGED_STATE_CHANGED, -1, json_pack("{s:s}", "state", "baseline"));
	record(f, LOGGED_QUESTION_ASKED, 0, job_asked_data(f->job, &baseline, -1, false));
	told(f, 0, accuracy, 100);
	record(f, LOGGED_BASELINE_MEASURED, 0, job_baseline_data(f->job, f->job->trials[0]));
	record(f, LOGGED_STATE_CHANGED, -1, json_pack("{s:s}", "state", "running"));
}

static int64_t ask(struct fixture *f)
{
	int64_t number = f->job->trial_count;
	struct question question;

	cr_assert(job_may_ask(f->job));
	(void)strategy_catch_up(&f->job->strategy, NULL);
	cr_assert_eq(strategy_next(&f->job->strategy, &question), STEP_ASK);
	record(f, LOGGED_QUESTION_ASKED, number, job_asked_data(f->job, &question, -1, false));
	question_finish(&question);
	return number;
}

static int64_t confirm(struct fixture *f, const struct trial *subject)
{
	int64_t number = f->job->trial_count;
	struct question question = {
		.kind = QUESTION_CONFIRM, .stage = "confirm", .config = subject->config};

	record(f, LOGGED_QUESTION_ASKED, number,
	       job_asked_data(f->job, &question, subject->number, false));
	return number;
}

static void settle(struct fixture *f)
{
	(void)job_settle(f->job);
	flush(f);
}

/* Replays the rows into a fresh job and compares what decides the future. */
static void check_replay(struct fixture *f, const char *extra)
{
	struct job *again = job_create("job_TEST", make_spec(extra), &set_clock);
	struct question a, b;
	struct err err;

	for (size_t i = 0; i < f->count; i++) {
		cr_assert_eq(
			job_replay(again, f->rows[i].type, f->rows[i].trial, f->rows[i].data, &err),
			0, "row %zu: %s", i, err.message);
	}
	(void)job_settle(again);
	cr_assert_eq(again->row_count, 0, "a replay must record nothing");
	cr_assert_eq(again->version, f->job->version);
	cr_assert_eq(again->settled, f->job->settled);
	cr_assert_eq(again->charged, f->job->charged);
	cr_assert_eq(again->out, f->job->out);
	cr_assert_eq(again->best != NULL, f->job->best != NULL);
	if (again->best != NULL) {
		cr_assert_eq(again->best->number, f->job->best->number);
	}
	(void)strategy_catch_up(&again->strategy, NULL);
	(void)strategy_catch_up(&f->job->strategy, NULL);
	cr_assert_eq(strategy_next(&again->strategy, &a), strategy_next(&f->job->strategy, &b));
	cr_assert_eq(a.config != NULL, b.config != NULL);
	if (a.config != NULL) {
		cr_assert(config_equal(a.config, b.config));
	}
	question_finish(&a);
	question_finish(&b);
	job_destroy(again);
}

static void finish(struct fixture *f)
{
	for (size_t i = 0; i < f->count; i++) {
		json_decref(f->rows[i].data);
	}
	free(f->rows);
	job_destroy(f->job);
}

Test(job, results_are_settled_in_the_order_of_trials)
{
	const char *extra =
		", \"parallel\": 3, \"tuning_criterion\": {\"strategy\": \"exhaustive\"}";
	struct fixture f;

	start(&f, extra, 0.9);
	cr_assert_eq(ask(&f), 1);
	cr_assert_eq(ask(&f), 2);
	told(&f, 2, 0.9, 50);
	settle(&f);
	cr_assert_eq(f.job->settled, 0);
	cr_assert_null(job_exit_reason(f.job), "trial 1 may still win");
	check_replay(&f, extra);
	told(&f, 1, 0.5, 10);
	settle(&f);
	cr_assert_eq(f.job->settled, 2);
	cr_assert_eq(f.job->best->number, 2);
	cr_assert_str_eq(job_exit_reason(f.job), "criterion_met");
	check_replay(&f, extra);
	finish(&f);
}

Test(job, first_feasible_wins_even_when_a_later_one_is_faster)
{
	const char *extra =
		", \"parallel\": 3, \"tuning_criterion\": {\"strategy\": \"exhaustive\"}";
	struct fixture f;

	start(&f, extra, 0.9);
	(void)ask(&f);
	(void)ask(&f);
	told(&f, 2, 0.9, 10);
	told(&f, 1, 0.9, 50);
	settle(&f);
	cr_assert_eq(f.job->best->number, 1, "as with one question at a time");
	finish(&f);
}

Test(job, budget_counts_configs_and_ends_the_job)
{
	const char *extra =
		", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"max_trials\": 2, "
		"\"stop_on\": \"budget\"}";
	struct fixture f;

	start(&f, extra, 0.9);
	told(&f, ask(&f), 0.9, 80);
	settle(&f);
	cr_assert_null(job_exit_reason(f.job));
	(void)ask(&f);
	cr_assert_not(job_may_ask(f.job));
	cr_assert_null(job_exit_reason(f.job), "the last one is still out");
	told(&f, 2, 0.895, 40);
	settle(&f);
	cr_assert_str_eq(job_exit_reason(f.job), "max_trials");
	cr_assert_eq(f.job->best->number, 2);
	check_replay(&f, extra);
	finish(&f);
}

Test(job, failures_end_the_job_when_there_are_too_many)
{
	const char *extra = ", \"max_failed_trials\": 1, \"tuning_criterion\": {\"strategy\": "
			    "\"exhaustive\"}";
	struct fixture f;

	start(&f, extra, 0.9);
	for (int i = 0; i < 2; i++) {
		cr_assert_null(job_exit_reason(f.job));
		record(&f, LOGGED_TRIAL_FAILED, ask(&f), json_pack("{s:s}", "error", "no kernel"));
		settle(&f);
	}
	cr_assert_str_eq(job_exit_reason(f.job), "too_many_failures");
	check_replay(&f, extra);
	finish(&f);
}

static void fail(struct fixture *f, int64_t trial)
{
	record(f, LOGGED_TRIAL_FAILED, trial, json_pack("{s:s}", "error", "no kernel"));
}

static void retry(struct fixture *f, int64_t trial)
{
	struct err err = {0};

	cr_assert_eq(job_check_retry(f->job, f->job->trials[trial], &err), 0, "%s", err.message);
	job_retry(f->job, f->job->trials[trial]);
	flush(f);
}

static const char *const retrying[] = {
	", \"parallel\": 3, \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"max_trials\": "
	"3, "
	"\"stop_on\": \"budget\"}",
	", \"parallel\": 3, \"deterministic\": false, \"tuning_criterion\": {\"strategy\": "
	"\"exhaustive\", \"max_trials\": 3, \"stop_on\": \"budget\"}",
};

Test(job, a_failed_trial_that_nobody_saw_is_as_if_it_had_not_failed)
{
	for (size_t i = 0; i < 2; i++) {
		struct fixture f;
		struct err err;

		start(&f, retrying[i], 0.9);
		(void)ask(&f);
		(void)ask(&f);
		fail(&f, 2);
		cr_assert_eq(job_check_retry(f.job, f.job->trials[1], &err), -ERR_WRONG_STATE);
		retry(&f, 2);
		cr_assert_eq(f.job->failed, 0);
		cr_assert_eq(f.job->out, 2);
		settle(&f);
		cr_assert_eq(f.job->settled, 0);
		check_replay(&f, retrying[i]);
		told(&f, 2, 0.9, 30);
		told(&f, 1, 0.9, 50);
		settle(&f);
		cr_assert_eq(f.job->settled, 2);
		cr_assert_eq(f.job->late, 0);
		cr_assert_eq(f.job->best->number, 2);
		check_replay(&f, retrying[i]);
		finish(&f);
	}
}

Test(job, a_late_result_is_shown_where_the_log_says)
{
	for (size_t i = 0; i < 2; i++) {
		struct fixture f;

		start(&f, retrying[i], 0.9);
		fail(&f, ask(&f));
		settle(&f);
		cr_assert_eq(f.job->settled, 1);
		retry(&f, 1);
		(void)ask(&f);
		check_replay(&f, retrying[i]);
		told(&f, 1, 0.9, 20);
		settle(&f);
		cr_assert_eq(f.job->best->number, 1);
		cr_assert_eq(f.rows[f.count - 2].type, LOGGED_TRIAL_REVISED);
		check_replay(&f, retrying[i]);
		told(&f, 2, 0.9, 60);
		told(&f, ask(&f), 0.9, 70);
		settle(&f);
		cr_assert_eq(f.job->charged, 3, "a retry is the same trial");
		cr_assert_str_eq(job_exit_reason(f.job), "max_trials");
		cr_assert_eq(f.job->best->number, 1);
		check_replay(&f, retrying[i]);
		finish(&f);
	}
}

Test(job, a_trial_can_fail_again_and_the_job_waits_for_that)
{
	const char *extra = retrying[1];
	struct fixture f;

	start(&f, extra, 0.9);
	for (int i = 0; i < 3; i++) {
		fail(&f, ask(&f));
	}
	retry(&f, 2);
	settle(&f);
	cr_assert_null(job_exit_reason(f.job), "one is measured again");
	fail(&f, 2);
	settle(&f);
	cr_assert_eq(f.job->failed, 3);
	cr_assert_eq(f.job->retries, 0);
	cr_assert_str_eq(job_exit_reason(f.job), "max_trials");
	check_replay(&f, extra);
	finish(&f);
}

Test(job, a_contradicted_winner_is_rejected_and_the_search_goes_on)
{
	const char *extra = ", \"rules\": 1, \"tuning_criterion\": {\"strategy\": \"exhaustive\"}";
	struct fixture f;
	struct trial *winner;

	start(&f, extra, 0.9);
	told(&f, ask(&f), 0.892, 50);
	settle(&f);
	winner = f.job->best;
	cr_assert_eq(job_to_confirm(f.job, "criterion_met"), winner);
	told(&f, confirm(&f, winner), 0.8, 50);
	cr_assert(winner->rejected);
	settle(&f);
	cr_assert_null(f.job->best);
	cr_assert_null(job_exit_reason(f.job));
	check_replay(&f, extra);
	told(&f, ask(&f), 0.893, 60);
	settle(&f);
	told(&f, confirm(&f, f.job->best), 0.8915, 61);
	settle(&f);
	cr_assert_eq(f.job->best->number, 3);
	cr_assert_null(job_to_confirm(f.job, "criterion_met"));
	check_replay(&f, extra);
	finish(&f);
}

static void record_imported(struct fixture *f, int64_t number, const struct config *config,
			    const struct answer *answer)
{
	json_t *data = job_imported_data(f->job->spec, config, answer);

	if (f->job->strategy_ready) {
		job_judge(f->job, data);
	}
	record(f, LOGGED_TRIAL_IMPORTED, number, data);
}

/* Imports `latency` as measured elsewhere for the config with one changed operator. */
static void import(struct fixture *f, uint32_t op, double accuracy, double latency)
{
	struct answer answer = {.accuracy_count = 1, .accuracy = {accuracy}, .metric_count = 1};
	struct config_change change = {.dimension = op, .choice = 1};
	struct config *config = config_from_changes(f->job->spec->space, &change, 1);
	int64_t number = f->job->trial_count > 0 ? f->job->trial_count : 1;

	answer.metrics[0] = (struct answer_metric){(char *)"latency_ms", latency};
	record_imported(f, number, config, &answer);
	config_destroy(config);
}

Test(job, imports_before_the_baseline_are_judged_when_it_is_known)
{
	const char *extra = ", \"tuning_criterion\": {\"strategy\": \"exhaustive\", "
			    "\"stop_on\": \"budget\"}";
	struct question baseline = {.kind = QUESTION_BASELINE, .stage = "baseline"};
	struct fixture f = {.job = job_create("job_TEST", make_spec(extra), &set_clock)};

	record(&f, LOGGED_JOB_SUBMITTED, -1, NULL);
	import(&f, 0, 0.9, 70);
	import(&f, 1, 0.5, 60);
	cr_assert_not(job_has_baseline(f.job), "trial 0 is only kept for it");
	cr_assert_eq(f.job->trial_count, 3);
	cr_assert_eq(f.job->out, 0);
	record(&f, LOGGED_STATE_CHANGED, -1, json_pack("{s:s}", "state", "baseline"));
	record(&f, LOGGED_QUESTION_ASKED, 0, job_asked_data(f.job, &baseline, -1, false));
	told(&f, 0, 0.9, 100);
	record(&f, LOGGED_BASELINE_MEASURED, 0, job_baseline_data(f.job, f.job->trials[0]));
	job_judge_imports(f.job);
	record(&f, LOGGED_STATE_CHANGED, -1, json_pack("{s:s}", "state", "running"));
	settle(&f);
	cr_assert_eq(f.job->settled, 2);
	cr_assert(f.job->trials[1]->candidate.feasible);
	cr_assert_not(f.job->trials[2]->candidate.feasible);
	cr_assert_eq(f.job->best->number, 1);
	cr_assert_eq(f.job->charged, 0, "imports cost no budget");
	check_replay(&f, extra);
	cr_assert_eq(ask(&f), 3);
	check_replay(&f, extra);
	finish(&f);
}

Test(job, imports_are_settled_in_their_turn_and_answer_questions)
{
	const char *extra = ", \"parallel\": 3, \"tuning_criterion\": {\"strategy\": "
			    "\"exhaustive\", \"stop_on\": \"budget\"}";
	struct fixture f;
	struct question question = {.kind = QUESTION_EVALUATE};
	struct config_change change = {.dimension = 2, .choice = 1};

	start(&f, extra, 0.9);
	(void)ask(&f);
	import(&f, 2, 0.9, 10);
	(void)ask(&f);
	settle(&f);
	cr_assert_eq(f.job->settled, 0, "trial 1 is before it");
	check_replay(&f, extra);
	told(&f, 1, 0.9, 50);
	settle(&f);
	cr_assert_eq(f.job->settled, 2);
	cr_assert_eq(f.job->best->number, 2);
	question.config = config_from_changes(f.job->spec->space, &change, 1);
	cr_assert_eq(job_find_twin(f.job, &question), f.job->trials[2]);
	config_destroy(question.config);
	check_replay(&f, extra);
	finish(&f);
}

Test(job, an_import_answers_for_a_config_that_failed_here)
{
	struct fixture f;
	struct question question;
	struct config *failed;

	start(&f, ", \"tuning_criterion\": {\"strategy\": \"exhaustive\"}", 0.9);
	record(&f, LOGGED_TRIAL_FAILED, ask(&f), json_pack("{s:s}", "error", "no kernel"));
	failed = f.job->trials[1]->config;
	question = (struct question){.kind = QUESTION_EVALUATE, .config = failed};
	cr_assert_eq(job_find_twin(f.job, &question), f.job->trials[1]);
	{
		struct answer answer = {.accuracy_count = 1, .accuracy = {0.9}, .metric_count = 1};

		answer.metrics[0] = (struct answer_metric){(char *)"latency_ms", 5};
		record_imported(&f, 2, failed, &answer);
	}
	cr_assert_eq(job_find_twin(f.job, &question), f.job->trials[2]);
	finish(&f);
}

Test(job, a_log_that_does_not_fit_is_refused)
{
	struct job *job = job_create("job_TEST", make_spec(", \"quant_level\": 1"), &set_clock);
	json_t *data = json_pack("{s:s}", "state", "running");
	struct err err;

	cr_assert_eq(job_replay(job, LOGGED_STATE_CHANGED, -1, data, &err), -ERR_CORRUPT);
	cr_assert_eq(job_replay(job, LOGGED_TRIAL_TOLD, 3, data, &err), -ERR_CORRUPT);
	cr_assert_eq(job_replay(job, logged_find("no_such_event"), -1, data, &err), -ERR_CORRUPT);
	cr_assert_eq(job_replay(job, LOGGED_TRIAL_IMPORTED, 0, data, &err), -ERR_CORRUPT);
	json_decref(data);
	data = json_pack("{s:s, s:[[i, i]]}", "kind", "evaluate", "config", 0, 99);
	cr_assert_eq(job_replay(job, LOGGED_TRIAL_IMPORTED, 1, data, &err), -ERR_CORRUPT);
	json_decref(data);
	job_destroy(job);
}

Test(job, relative_criterion_with_baseline_zero_is_explained)
{
	struct question baseline = {.kind = QUESTION_BASELINE, .stage = "baseline"};
	struct fixture f = {
		.job = job_create("job_TEST", make_spec(", \"quant_level\": 1"), &set_clock)};
	struct err err;

	record(&f, LOGGED_QUESTION_ASKED, 0, job_asked_data(f.job, &baseline, -1, false));
	told(&f, 0, 0, 100);
	cr_assert_neq(job_check_baseline(f.job, f.job->trials[0], &err), 0);
	cr_assert_not_null(strstr(err.message, "absolute"));
	finish(&f);
}
