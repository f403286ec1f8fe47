/* What a job wants done next, carried out by hand: no tuner, no store, nobody who measures. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "job/active.h"
#include "tests/unit/job_kit.h"

Test(next, baseline_is_asked_once_and_waited_for)
{
	struct job *job = kit_job("");

	cr_assert_eq(kit_next(job).step, NEXT_BASELINE);
	cr_assert_eq(job_ask_baseline(job)->number, 0);
	cr_assert_eq(job->state, JOB_BASELINE);
	cr_assert_eq(kit_next(job).step, NEXT_REST);
	job_destroy(job);
}

Test(next, baseline_that_fails_ends_the_job)
{
	struct job *job = kit_job("");

	kit_fail(job, job_ask_baseline(job), "no model");
	cr_assert_eq(job->state, JOB_FAILED);
	cr_assert_str_eq(kit_exit(job, "reason"), "baseline_failed");
	cr_assert_str_eq(kit_exit(job, "detail"), "no model");
	job_destroy(job);
}

Test(next, as_many_are_out_as_may_be)
{
	struct job *job = kit_running(", \"parallel\": 2", 0.9);

	cr_assert_eq(kit_next(job).step, NEXT_STRATEGY);
	(void)kit_ask(job);
	cr_assert_eq(kit_next(job).step, NEXT_STRATEGY);
	(void)kit_ask(job);
	cr_assert_eq(kit_next(job).step, NEXT_REST);
	kit_tell(job, job->trials[2], 0.1, 50);
	cr_assert_eq(kit_next(job).step, NEXT_STRATEGY);
	job_destroy(job);
}

Test(next, retry_comes_first_and_waits_for_room)
{
	struct job *job = kit_running(", \"parallel\": 1, \"max_failed_trials\": 5", 0.9);
	struct trial *first, *second;

	first = kit_ask(job);
	kit_fail(job, first, "crashed");
	cr_assert_eq(kit_next(job).step, NEXT_STRATEGY);
	second = kit_ask(job);
	second->flies = true;
	job_retry(job, first);
	cr_assert_eq(kit_next(job).step, NEXT_REST, "one is out, and no more may be");
	kit_tell(job, second, 0.1, 50);
	second->flies = false;
	cr_assert_eq(kit_next(job).step, NEXT_RETRY);
	cr_assert_eq(kit_next(job).trial, first->number);
	first->flies = true;
	cr_assert_eq(kit_next(job).step, NEXT_REST, "somebody has it");
	job_destroy(job);
}

Test(next, nothing_is_asked_while_paused_or_stopping)
{
	static const struct circumstances stopping = {true, NULL}, down = {false, "refused"};
	struct job *job = kit_running("", 0.9);

	cr_assert_eq(job_next(job, &stopping).step, NEXT_REST);
	job_pause(job, "requested", "paused by request", NULL);
	cr_assert_eq(kit_next(job).step, NEXT_REST);
	cr_assert_eq(job_next(job, &down).step, NEXT_REST, "who waits does not mind");
	job_resume(job);
	cr_assert_eq(job->state, JOB_RUNNING);
	cr_assert_eq(kit_next(job).step, NEXT_STRATEGY);
	cr_assert_eq(job_next(job, &down).step, NEXT_END);
	cr_assert_eq(job->state, JOB_FAILED);
	cr_assert_str_eq(kit_exit(job, "reason"), "evaluator_down");
	cr_assert_str_eq(kit_exit(job, "detail"), "refused");
	job_destroy(job);
}

Test(next, end_cancels_what_is_out_and_counts_its_results)
{
	struct job *job = kit_running(", \"parallel\": 3, \"confirm\": 0", 0.9);
	struct trial *first = kit_ask(job), *second = kit_ask(job);

	kit_tell(job, first, 0.9, 50);
	cr_assert_eq(kit_next(job).step, NEXT_CATCH_UP);
	(void)strategy_catch_up(&job->strategy, NULL);
	cr_assert_eq(kit_next(job).step, NEXT_END);
	cr_assert_eq(job->state, JOB_COMPLETED);
	cr_assert_eq(second->state, TRIAL_CANCELLED);
	cr_assert_eq(job->out, 0);
	cr_assert_str_eq(kit_exit(job, "reason"), "criterion_met");
	cr_assert_str_eq(kit_exit(job, "detail"), "the best config meets the criterion");
	job_destroy(job);
}

/* With deterministic decisions a result waits for those of all trials before it. */
Test(next, what_waits_for_a_result_that_never_comes_is_the_best_where_nothing_else_is)
{
	static const char extra[] = ", \"deterministic\": true, \"parallel\": 3, \"confirm\": 0, "
				    "\"tuning_criterion\": {\"strategy\": \"exhaustive\", "
				    "\"stop_on\": \"budget\"}";
	struct job *job = kit_running(extra, 0.9);
	struct trial *first = kit_ask(job), *second = kit_ask(job), *third = kit_ask(job);

	kit_tell(job, third, 0.9, 50);
	kit_tell(job, second, 0.9, 40);
	cr_assert_eq(job_settle(job), 0);
	cr_assert_null(job->best, "the first one is still out");
	job_end(job, JOB_CANCELLED, "cancelled", "cancelled by request");
	cr_assert_eq(first->state, TRIAL_CANCELLED);
	cr_assert_eq(job->best, second);
	cr_assert_eq(kit_newest(job, LOGGED_NEW_BEST) != NULL, true);
	kit_check_again(job, extra);
	job_destroy(job);
}

Test(next, what_is_good_enough_stays_the_best_whatever_waits)
{
	static const char extra[] = ", \"deterministic\": true, \"parallel\": 3, \"confirm\": 0, "
				    "\"tuning_criterion\": {\"strategy\": \"exhaustive\", "
				    "\"stop_on\": \"budget\"}";
	struct job *job = kit_running(extra, 0.9);
	struct trial *first = kit_ask(job), *third;

	(void)kit_ask(job);
	third = kit_ask(job);
	kit_tell(job, first, 0.9, 60);
	kit_settle(job);
	kit_tell(job, third, 0.9, 50);
	job_end(job, JOB_CANCELLED, "cancelled", "cancelled by request");
	cr_assert_eq(job->best, first, "whether the third one came in time is chance");
	kit_check_again(job, extra);
	job_destroy(job);
}

Test(next, failures_end_the_job_only_above_their_limit)
{
	struct job *job = kit_running(", \"max_failed_trials\": 1", 0.9);

	kit_fail(job, kit_ask(job), "crashed");
	cr_assert_eq(kit_next(job).step, NEXT_STRATEGY);
	kit_fail(job, kit_ask(job), "crashed again");
	(void)job_settle(job);
	(void)strategy_catch_up(&job->strategy, NULL);
	cr_assert_eq(kit_next(job).step, NEXT_END);
	cr_assert_eq(job->state, JOB_FAILED);
	cr_assert_str_eq(kit_exit(job, "reason"), "too_many_failures");
	cr_assert_str_eq(kit_exit(job, "detail"),
			 "more trials failed than max_failed_trials allows; trial 2 was the last: "
			 "crashed again");
	job_destroy(job);
}

/* What learns in the order of trials says which result it waits for. */
Test(next, a_strategy_that_learns_in_order_waits_for_the_oldest_result)
{
	struct job *job =
		kit_running(", \"parallel\": 2, \"tuning_criterion\": {\"strategy\": \"tpe\", "
			    "\"stop_on\": \"budget\", \"max_trials\": 4}",
			    0.9);
	struct trial *first = kit_ask(job), *second = kit_ask(job);

	cr_assert_eq(job_waits_for(job), 0, "as many are out as may be");
	kit_tell(job, second, 0.9, 60);
	kit_settle(job);
	cr_assert_not(job_may_ask(job));
	cr_assert_eq(job_waits_for(job), 1);
	kit_tell(job, first, 0.9, 50);
	kit_settle(job);
	cr_assert(job_may_ask(job));
	cr_assert_eq(job_waits_for(job), 0);
	job_destroy(job);
}

/* Whoever else is out: only what confirms the winner comes one after the other. */
Test(next, a_measurement_that_is_out_holds_up_no_confirmation)
{
	struct job *job = kit_running(", \"parallel\": 2", 0.9);
	struct trial *first = kit_ask(job);
	struct next next;

	(void)kit_ask(job);
	kit_tell(job, first, 0.9, 50);
	kit_settle(job);
	next = kit_next(job);
	cr_assert_eq(next.step, NEXT_CONFIRM);
	kit_tell(job, job_ask_again(job, &next), 0.9, 100);
	next = kit_next(job);
	cr_assert_eq(next.step, NEXT_CONFIRM);
	cr_assert_eq(next.trial, 1);
	job_destroy(job);
}

/* Nor by the first rules, where the best would be. */
Test(next, nothing_is_measured_again_where_too_much_fails)
{
	static const char *const extras[] = {", \"rules\": 1, \"max_failed_trials\": 0",
					     ", \"max_failed_trials\": 0"};

	for (size_t i = 0; i < 2; i++) {
		struct job *job = kit_running(extras[i], 0.9);

		job->spec->stop_on = STOP_BUDGET;
		kit_tell(job, kit_ask(job), 0.9, 50);
		kit_settle(job);
		kit_fail(job, kit_ask(job), "crashed");
		kit_settle(job);
		cr_assert_eq(kit_next(job).step, NEXT_END);
		cr_assert_str_eq(kit_exit(job, "reason"), "too_many_failures");
		job_destroy(job);
	}
}

Test(next, winner_is_measured_again_one_question_at_a_time)
{
	struct job *job = kit_running(", \"confirm\": 1, \"confirm_max\": 1, \"parallel\": 2", 0.9);
	struct next next;
	struct trial *again;

	kit_tell(job, kit_ask(job), 0.9, 50);
	(void)job_settle(job);
	(void)strategy_catch_up(&job->strategy, NULL);
	next = kit_next(job);
	cr_assert_eq(next.step, NEXT_CONFIRM);
	again = job_ask_again(job, &next);
	cr_assert_eq(again->kind, QUESTION_CONFIRM);
	cr_assert_eq(again->round, next.round);
	cr_assert_eq(kit_next(job).step, NEXT_REST);
	for (int i = 0; i < 4 && job->state == JOB_RUNNING; i++) {
		kit_tell(job, again, 0.9, again->twin == 0 ? 100 : 50);
		next = kit_next(job);
		if (next.step == NEXT_CONFIRM) {
			again = job_ask_again(job, &next);
		}
	}
	cr_assert_eq(job->state, JOB_COMPLETED);
	cr_assert_str_eq(kit_exit(job, "reason"), "criterion_met");
	job_destroy(job);
}

Test(next, confirmation_that_fails_is_a_warning)
{
	struct job *job = kit_running(", \"confirm\": 1, \"confirm_max\": 1", 0.9);
	struct next next;

	kit_tell(job, kit_ask(job), 0.9, 50);
	(void)job_settle(job);
	(void)strategy_catch_up(&job->strategy, NULL);
	next = kit_next(job);
	cr_assert_eq(next.step, NEXT_CONFIRM);
	kit_fail(job, job_ask_again(job, &next), "out of memory");
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 1);
	cr_assert_eq(job->state, JOB_RUNNING);
	job_destroy(job);
}

Test(next, time_counts_only_while_active)
{
	struct job *job = kit_job(", \"tuning_criterion\": {\"timeout\": 10}");

	cr_assert_eq(job_left_ms(job), -1, "it has not begun");
	(void)job_ask_baseline(job);
	cr_assert_eq(job->active_wall_ms, kit_now_ms);
	kit_now_ms += 4000;
	cr_assert_eq(job_left_ms(job), 6000);
	cr_assert_float_eq(job_active_s(job), 4, 1e-9);
	job_pause(job, "requested", "paused by request", NULL);
	cr_assert_eq(job->active_wall_ms, kit_now_ms, "what was active until then is in the log");
	kit_now_ms += 60000;
	cr_assert_eq(job_left_ms(job), -1);
	cr_assert_float_eq(job_active_s(job), 4, 1e-9);
	job_resume(job);
	cr_assert_eq(job->state, JOB_BASELINE);
	cr_assert_eq(job->active_wall_ms, kit_now_ms);
	kit_now_ms += 5999;
	cr_assert_eq(job_left_ms(job), 1);
	job->timeout_s = 1;
	cr_assert_eq(job_left_ms(job), 0, "what is over is not forgotten");
	job->timeout_s = 10;
	kit_now_ms += 10;
	cr_assert_eq(job_left_ms(job), 0);
	job_time_out(job);
	cr_assert_eq(job->state, JOB_COMPLETED);
	cr_assert_str_eq(kit_exit(job, "reason"), "timeout");
	job_destroy(job);
}

/* The accuracy of the only config, and whether the end game would have had something to do. */
static void time_out(const char *extra, double accuracy, bool warned, bool accepts)
{
	struct job *job = kit_running(extra, 0.9);
	const char *warning;

	kit_tell(job, kit_ask(job), accuracy, 50);
	(void)job_settle(job);
	(void)strategy_catch_up(&job->strategy, NULL);
	job_time_out(job);
	warning = kit_text(job, LOGGED_WARNING, "detail");
	cr_expect_eq(*warning != '\0', warned, "%s", extra);
	if (warned) {
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

Test(next, time_that_is_over_after_the_end_game_leaves_nothing_to_say)
{
	struct job *job = kit_running("", 0.9);

	kit_tell(job, kit_ask(job), 0.9, 50);
	kit_settle(job);
	for (int i = 0; i < 2; i++) { /* the baseline and the choice, both as they were */
		struct next next = kit_next(job);

		cr_assert_eq(next.step, NEXT_CONFIRM);
		kit_tell(job, job_ask_again(job, &next), 0.9, next.trial == 0 ? 100 : 50);
	}
	job_time_out(job);
	cr_assert_str_eq(kit_exit(job, "reason"), "timeout");
	cr_assert_eq(kit_count(job, LOGGED_WARNING), 0);
	job_destroy(job);
}

Test(next, strategy_that_waits_for_nothing_is_done)
{
	struct job *job = kit_running("", 0.9);

	(void)kit_ask(job);
	cr_assert(job_ask_nothing(job, STEP_WAIT), "one is out");
	cr_assert(job->starved);
	kit_tell(job, job->trials[1], 0.1, 50);
	cr_assert(job_ask_nothing(job, STEP_WAIT), "a result could be settled");
	cr_assert_not(job_ask_nothing(job, STEP_WAIT));
	cr_assert(job->exhausted);
	job_destroy(job);
}

Test(next, edits_hold_from_where_they_stand_in_the_log)
{
	struct job *job = kit_running(", \"labels\": {\"a\": \"a\", \"b\": \"b\"}", 0.9);

	cr_assert_eq(json_object_size(job->labels), 2);
	kit_record(job, LOGGED_JOB_EDITED, -1,
		   "{\"max_trials\": 7, \"parallel\": 3, \"timeout\": 2.5, \"labels\": {\"a\": "
		   "\"b\"}}");
	cr_assert_eq(job->max_trials, 7);
	cr_assert_eq(job->parallel, 3);
	cr_assert_eq(job->timeout_s, 2.5);
	cr_assert_eq(json_object_size(job->labels), 1);
	kit_record(job, LOGGED_JOB_EDITED, -1, "{\"name\": \"n\"}");
	cr_assert_eq(job->max_trials, 7);
	cr_assert_eq(job->parallel, 3);
	cr_assert_eq(job->timeout_s, 2.5);
	cr_assert_eq(json_object_size(job->labels), 1);
	kit_record(job, LOGGED_STAGE_ENTERED, -1, "{\"stage\": \"two\"}");
	cr_assert_str_eq(job->stage, "two");
	job_destroy(job);
}

/* A strategy that has found enough ends the search; one that has merely nothing to ask has walked through all. */
static void has_enough(const char *stop_on, double latency_ms, const char *expected)
{
	char *extra = mem_printf(", \"min_gain\": 0.1, \"tuning_criterion\": {\"strategy\": "
				 "\"exhaustive\", \"stop_on\": \"%s\"}",
				 stop_on);
	struct job *job = kit_running(extra, 0.9);

	kit_tell(job, kit_ask(job), latency_ms > 0 ? 0.9 : 0.5, fabs(latency_ms));
	cr_assert_eq(job_settle(job), 1);
	kit_settle(job);
	cr_assert_null(job_exit_reason(job));
	cr_assert(job_ask_nothing(job, STEP_CONTENT));
	cr_expect_str_eq(job_exit_reason(job), expected, "%s, %g", stop_on, latency_ms);
	job_destroy(job);
	free(extra);
}

Test(next, a_strategy_that_is_content_meets_the_criterion_if_its_best_does)
{
	has_enough("budget", 50, "criterion_met");
	has_enough("budget", -50, "space_exhausted");
	has_enough("first_gain", 95, "space_exhausted");
}
