/* What a job wants done next, carried out by hand: no tuner, no store, nobody who measures. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/active.h"
#include "job/next.h"
#include "set_clock.h"

static const struct circumstances calm = {false, NULL};

static struct job *make_job(const char *extra)
{
	char *text = mem_printf(
		"{\"capability\": {\"op_types\": {\"Conv\": {\"static\": {\"weight\": {\"dtype\": "
		"[\"int8\"], \"granularity\": [\"per_channel\", \"per_tensor\"]}}}}, \"ops\": "
		"[{\"name\": \"a\", \"type\": \"Conv\"}, {\"name\": \"b\", \"type\": \"Conv\"}]}, "
		"\"evaluator\": {\"url\": \"http://127.0.0.1:9001\"}, "
		"\"tuning_criterion\": {\"strategy\": \"exhaustive\"}%s}",
		extra);
	json_t *body = json_loads(text, 0, NULL);
	struct err err;
	struct spec *spec = spec_create(body, json_object_get(body, "capability"),
					json_object_get(body, "evaluator"), &err);

	cr_assert_not_null(spec, "%s", err.message);
	json_decref(body);
	free(text);
	return job_create("job_TEST", spec, &set_clock);
}

static struct next next_of(struct job *job)
{
	return job_next(job, &calm);
}

static void tell(struct job *job, struct trial *trial, double accuracy, double latency)
{
	struct answer answer = {.accuracy_count = 1, .accuracy = {accuracy}, .metric_count = 1};

	answer.metrics[0] = (struct answer_metric){(char *)"latency_ms", latency};
	job_record(job, LOGGED_TRIAL_TOLD, trial->number, job_told_data(job, trial, &answer));
	job_after_result(job, trial);
}

static void fail(struct job *job, struct trial *trial, const char *error)
{
	job_record(job, LOGGED_TRIAL_FAILED, trial->number,
		   json_pack("{s:s, s:i}", "error", error, "attempts", 1));
	job_after_failure(job, trial, error);
}

/* The strategy's next question, NULL when its answer is known. */
static struct trial *ask(struct job *job)
{
	struct question question;
	struct trial *trial;

	(void)strategy_catch_up(&job->strategy, NULL);
	cr_assert_eq(strategy_next(&job->strategy, &question), STEP_ASK);
	trial = job_ask(job, &question);
	question_finish(&question);
	return trial;
}

static struct job *running(const char *extra, double accuracy)
{
	struct job *job = make_job(extra);

	cr_assert_eq(next_of(job).step, NEXT_BASELINE);
	tell(job, job_ask_baseline(job), accuracy, 100);
	cr_assert_eq(job->state, JOB_RUNNING);
	return job;
}

static const char *exit_of(const struct job *job, const char *member)
{
	const struct row *last = &job->rows[job->row_count - 1];

	cr_assert_eq(last->type, LOGGED_STATE_CHANGED);
	return json_string_value(json_object_get(json_object_get(last->data, "exit"), member));
}

Test(next, baseline_is_asked_once_and_waited_for)
{
	struct job *job = make_job("");

	cr_assert_eq(next_of(job).step, NEXT_BASELINE);
	cr_assert_eq(job_ask_baseline(job)->number, 0);
	cr_assert_eq(job->state, JOB_BASELINE);
	cr_assert_eq(next_of(job).step, NEXT_REST);
	job_destroy(job);
}

Test(next, baseline_that_fails_ends_the_job)
{
	struct job *job = make_job("");

	fail(job, job_ask_baseline(job), "no model");
	cr_assert_eq(job->state, JOB_FAILED);
	cr_assert_str_eq(exit_of(job, "reason"), "baseline_failed");
	cr_assert_str_eq(exit_of(job, "detail"), "no model");
	job_destroy(job);
}

Test(next, as_many_are_out_as_may_be)
{
	struct job *job = running(", \"parallel\": 2", 0.9);

	cr_assert_eq(next_of(job).step, NEXT_STRATEGY);
	(void)ask(job);
	cr_assert_eq(next_of(job).step, NEXT_STRATEGY);
	(void)ask(job);
	cr_assert_eq(next_of(job).step, NEXT_REST);
	tell(job, job->trials[2], 0.1, 50);
	cr_assert_eq(next_of(job).step, NEXT_STRATEGY);
	job_destroy(job);
}

Test(next, retry_comes_first_and_waits_for_room)
{
	struct job *job = running(", \"parallel\": 1, \"max_failed_trials\": 5", 0.9);
	struct trial *first, *second;

	first = ask(job);
	fail(job, first, "crashed");
	cr_assert_eq(next_of(job).step, NEXT_STRATEGY);
	second = ask(job);
	second->flies = true;
	job_retry(job, first);
	cr_assert_eq(next_of(job).step, NEXT_REST, "one is out, and no more may be");
	tell(job, second, 0.1, 50);
	second->flies = false;
	cr_assert_eq(next_of(job).step, NEXT_RETRY);
	cr_assert_eq(next_of(job).trial, first->number);
	first->flies = true;
	cr_assert_eq(next_of(job).step, NEXT_REST, "somebody has it");
	job_destroy(job);
}

Test(next, nothing_is_asked_while_paused_or_stopping)
{
	static const struct circumstances stopping = {true, NULL}, down = {false, "refused"};
	struct job *job = running("", 0.9);

	cr_assert_eq(job_next(job, &stopping).step, NEXT_REST);
	job_pause(job, "requested", "paused by request", NULL);
	cr_assert_eq(next_of(job).step, NEXT_REST);
	cr_assert_eq(job_next(job, &down).step, NEXT_REST, "who waits does not mind");
	job_resume(job);
	cr_assert_eq(job->state, JOB_RUNNING);
	cr_assert_eq(next_of(job).step, NEXT_STRATEGY);
	cr_assert_eq(job_next(job, &down).step, NEXT_END);
	cr_assert_eq(job->state, JOB_FAILED);
	cr_assert_str_eq(exit_of(job, "reason"), "evaluator_down");
	cr_assert_str_eq(exit_of(job, "detail"), "refused");
	job_destroy(job);
}

Test(next, end_cancels_what_is_out_and_counts_its_results)
{
	struct job *job = running(", \"parallel\": 3, \"confirm\": 0", 0.9);
	struct trial *first = ask(job), *second = ask(job);

	tell(job, first, 0.9, 50);
	cr_assert_eq(next_of(job).step, NEXT_CATCH_UP);
	(void)strategy_catch_up(&job->strategy, NULL);
	cr_assert_eq(next_of(job).step, NEXT_END);
	cr_assert_eq(job->state, JOB_COMPLETED);
	cr_assert_eq(second->state, TRIAL_CANCELLED);
	cr_assert_eq(job->out, 0);
	cr_assert_str_eq(exit_of(job, "reason"), "criterion_met");
	cr_assert_str_eq(exit_of(job, "detail"), "the best config meets the criterion");
	job_destroy(job);
}

Test(next, failures_end_the_job_only_above_their_limit)
{
	struct job *job = running(", \"max_failed_trials\": 1", 0.9);

	fail(job, ask(job), "crashed");
	cr_assert_eq(next_of(job).step, NEXT_STRATEGY);
	fail(job, ask(job), "crashed again");
	(void)job_settle(job);
	(void)strategy_catch_up(&job->strategy, NULL);
	cr_assert_eq(next_of(job).step, NEXT_END);
	cr_assert_eq(job->state, JOB_FAILED);
	cr_assert_str_eq(exit_of(job, "reason"), "too_many_failures");
	cr_assert_str_eq(exit_of(job, "detail"),
			 "more trials failed than max_failed_trials allows; trial 2 was the last: "
			 "crashed again");
	job_destroy(job);
}

Test(next, winner_is_measured_again_one_question_at_a_time)
{
	struct job *job = running(", \"confirm\": 1, \"confirm_max\": 1, \"parallel\": 2", 0.9);
	struct next next;
	struct trial *again;

	tell(job, ask(job), 0.9, 50);
	(void)job_settle(job);
	(void)strategy_catch_up(&job->strategy, NULL);
	next = next_of(job);
	cr_assert_eq(next.step, NEXT_CONFIRM);
	again = job_ask_again(job, &next);
	cr_assert_eq(again->kind, QUESTION_CONFIRM);
	cr_assert_eq(again->round, next.round);
	cr_assert_eq(next_of(job).step, NEXT_REST);
	for (int i = 0; i < 4 && job->state == JOB_RUNNING; i++) {
		tell(job, again, 0.9, again->twin == 0 ? 100 : 50);
		next = next_of(job);
		if (next.step == NEXT_CONFIRM) {
			again = job_ask_again(job, &next);
		}
	}
	cr_assert_eq(job->state, JOB_COMPLETED);
	cr_assert_str_eq(exit_of(job, "reason"), "criterion_met");
	job_destroy(job);
}

Test(next, confirmation_that_fails_is_a_warning)
{
	struct job *job = running(", \"confirm\": 1, \"confirm_max\": 1", 0.9);
	struct next next;
	bool warned = false;

	tell(job, ask(job), 0.9, 50);
	(void)job_settle(job);
	(void)strategy_catch_up(&job->strategy, NULL);
	next = next_of(job);
	cr_assert_eq(next.step, NEXT_CONFIRM);
	fail(job, job_ask_again(job, &next), "out of memory");
	for (size_t i = 0; i < job->row_count; i++) {
		warned = warned || job->rows[i].type == LOGGED_WARNING;
	}
	cr_assert(warned);
	cr_assert_eq(job->state, JOB_RUNNING);
	job_destroy(job);
}

Test(next, time_counts_only_while_active)
{
	struct job *job = make_job(", \"tuning_criterion\": {\"timeout\": 10}");

	cr_assert_eq(job_left_ms(job), -1, "it has not begun");
	(void)job_ask_baseline(job);
	set_clock_ms += 4000;
	cr_assert_eq(job_left_ms(job), 6000);
	cr_assert_float_eq(job_active_s(job), 4, 1e-9);
	job_pause(job, "requested", "paused by request", NULL);
	set_clock_ms += 60000;
	cr_assert_eq(job_left_ms(job), -1);
	cr_assert_float_eq(job_active_s(job), 4, 1e-9);
	job_resume(job);
	cr_assert_eq(job->state, JOB_BASELINE);
	set_clock_ms += 5999;
	cr_assert_eq(job_left_ms(job), 1);
	set_clock_ms += 10;
	cr_assert_eq(job_left_ms(job), 0);
	job_time_out(job);
	cr_assert_eq(job->state, JOB_COMPLETED);
	cr_assert_str_eq(exit_of(job, "reason"), "timeout");
	job_destroy(job);
}

static const char *warning_of(const struct job *job)
{
	const char *detail = NULL;

	for (size_t i = 0; i < job->row_count; i++) {
		if (job->rows[i].type == LOGGED_WARNING) {
			detail = json_string_value(json_object_get(job->rows[i].data, "detail"));
		}
	}
	return detail;
}

/* The accuracy of the only config, and whether the end game would have had something to do. */
static void time_out(const char *extra, double accuracy, bool warned, bool accepts)
{
	struct job *job = running(extra, 0.9);
	const char *warning;

	tell(job, ask(job), accuracy, 50);
	(void)job_settle(job);
	(void)strategy_catch_up(&job->strategy, NULL);
	job_time_out(job);
	warning = warning_of(job);
	cr_expect_eq(warning != NULL, warned, "%s", extra);
	if (warning != NULL) {
		cr_expect_eq(strstr(warning, "acceptance") != NULL, accepts, "%s", warning);
	}
	job_destroy(job);
}

Test(next, time_that_is_over_leaves_no_end_game)
{
	time_out("", 0.9, true, false);
	time_out(", \"acceptance\": {\"subset\": {\"from\": 5}}", 0.9, true, true);
	time_out("", 0.1, false, false);
	time_out(", \"confirm\": 0", 0.9, false, false);
}

Test(next, strategy_that_waits_for_nothing_is_done)
{
	struct job *job = running("", 0.9);

	(void)ask(job);
	cr_assert(job_ask_nothing(job, STEP_WAIT), "one is out");
	cr_assert(job->starved);
	tell(job, job->trials[1], 0.1, 50);
	cr_assert(job_ask_nothing(job, STEP_WAIT), "a result could be settled");
	cr_assert_not(job_ask_nothing(job, STEP_WAIT));
	cr_assert(job->exhausted);
	job_destroy(job);
}
