/* What becomes of trials: those with equal configs share what becomes of one of them, and nobody else does. */
#include <criterion/criterion.h>
#include <string.h>

#include "job/fold.h"
#include "job/trial.h"
#include "tests/unit/job_kit.h"

#define ON ", \"tuning_criterion\": {\"strategy\": \"exhaustive\", \"stop_on\": \"budget\"}"

/* Another trial with the config of this one, which waits for its answer. */
static struct trial *share(struct job *job, int64_t number)
{
	struct question question = {
		.kind = QUESTION_EVALUATE, .stage = "again", .config = job->trials[number]->config};

	cr_assert_null(job_ask(job, &question), "its answer is known, or will be");
	return job->trials[job->trial_count - 1];
}

Test(twins, equal_configs_share_what_becomes_of_the_first)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *trial = kit_ask(job), *other = share(job, 1);
	struct err err;

	cr_assert(other->cached);
	cr_assert_eq(other->twin, 1);
	cr_assert_eq(job->charged, 1);
	cr_assert_eq(job->out, 1);
	cr_assert_eq(job_check_give_up(other, &err), -ERR_WRONG_STATE);
	cr_assert_eq(job_check_retry(job, other, &err), -ERR_WRONG_STATE);
	kit_fail(job, trial, "crashed");
	cr_assert_eq(other->state, TRIAL_FAILED);
	cr_assert_eq(job->failed, 1, "one config failed");
	cr_assert_str_eq(job->last_error, "crashed", "not that another one did");
	cr_assert_eq(job_check_retry(job, other, &err), -ERR_WRONG_STATE);
	cr_assert_not_null(strstr(err.message, "retry that one"), "%s", err.message);
	job_retry(job, trial);
	cr_assert_eq(other->state, TRIAL_ASKED);
	cr_assert_eq(kit_count(job, LOGGED_TRIAL_RETRIED), 2);
	cr_assert_eq(job->retries, 1, "one question is to be asked");
	cr_assert_eq(job->out, 1);
	kit_tell(job, trial, 0.9, 50);
	cr_assert_eq(other->state, TRIAL_TOLD);
	cr_assert_eq(other->objectives[0], 50);
	cr_assert_str_eq(kit_text(job, LOGGED_TRIAL_TOLD, "source"), "cache");
	cr_assert_eq(share(job, 1)->state, TRIAL_TOLD, "what is known is told at once");
	kit_check_again(job, ON);
	job_destroy(job);
}

Test(twins, who_was_pruned_is_shared_as_pruned_unless_its_numbers_are_wanted)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *trial = kit_ask(job), *other = share(job, 1);
	struct question whole = {.kind = QUESTION_EVALUATE,
				 .stage = "again",
				 .config = trial->config,
				 .whole = true};

	kit_record(job, LOGGED_TRIAL_PRUNED, 1,
		   "{\"estimate\": 0.5, \"margin\": -44, \"verdict\": \"certain\", \"source\": "
		   "\"measured\", \"feasible\": false}");
	job_after_result(job, trial);
	cr_assert_eq(trial->state, TRIAL_PRUNED);
	cr_assert_eq(other->state, TRIAL_PRUNED);
	cr_assert_eq(trial->candidate.margin, -44);
	cr_assert_eq(trial->accuracy[0], 0.5);
	cr_assert_not(trial->candidate.feasible);
	cr_assert_eq(job->out, 0);
	cr_assert_eq(share(job, 1)->state, TRIAL_PRUNED);
	trial = job_ask(job, &whole);
	cr_assert_not_null(trial, "part of the data is not enough now");
	cr_assert_null(job->best);
	kit_check_again(job, ON);
	kit_tell(job, trial, 0.9, 50);
	cr_assert_eq(share(job, 1)->state, TRIAL_TOLD, "now there are numbers");
	kit_check_again(job, ON);
	job_destroy(job);
}

Test(twins, what_was_measured_wrongly_counts_no_more)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *trial = kit_ask(job), *second, *other;
	struct question anew = {
		.kind = QUESTION_EVALUATE, .stage = "again", .config = trial->config};
	struct err err;

	cr_assert_eq(job_check_exclude(job, trial, &err), -ERR_WRONG_STATE, "nothing is known yet");
	cr_assert_eq(job_check_exclude(job, job->trials[0], &err), -ERR_WRONG_STATE);
	cr_assert_not_null(strstr(err.message, "baseline"));
	kit_tell(job, trial, 0.9, 50);
	other = share(job, 1);
	second = kit_ask(job);
	kit_tell(job, second, 0.9, 70);
	kit_settle(job);
	cr_assert_eq(job->best, trial);
	cr_assert_eq(job_check_exclude(job, other, &err), -ERR_WRONG_STATE);
	cr_assert_not_null(strstr(err.message, "exclude that one"), "%s", err.message);
	cr_assert_eq(job_check_exclude(job, trial, &err), 0);
	cr_assert_eq(job_check_include(job, trial, &err), 0, "what is so already is no error");
	job_include(job, trial);
	cr_assert_eq(kit_count(job, LOGGED_TRIAL_INCLUDED), 0);
	job_exclude(job, trial, "busy");
	cr_assert_eq(kit_count(job, LOGGED_TRIAL_EXCLUDED), 2);
	cr_assert_str_eq(kit_text(job, LOGGED_TRIAL_EXCLUDED, "reason"), "busy");
	cr_assert(trial->excluded && other->excluded);
	cr_assert_eq(job->best, second);
	cr_assert_eq(job->named, second, "and that is said");
	job_exclude(job, trial, "busy");
	cr_assert_eq(kit_count(job, LOGGED_TRIAL_EXCLUDED), 2);
	cr_assert_not_null(job_ask(job, &anew), "its answer is good for nobody");
	kit_tell(job, job->trials[job->trial_count - 1], 0.9, 80);
	cr_assert_eq(share(job, 1)->objectives[0], 80, "the new one is");
	cr_assert_eq(job_check_exclude(job, trial, &err), 0);
	kit_check_again(job, ON);
	job_include(job, trial);
	cr_assert_eq(kit_count(job, LOGGED_TRIAL_INCLUDED), 2);
	cr_assert_eq(job->best, trial);
	cr_assert_eq(job->named, trial);
	kit_check_again(job, ON);
	job_destroy(job);
}

/* Two measurements, each shared: what is done to one of them leaves the other and who shares it alone. */
Test(twins, who_shares_another_measurement_is_left_alone)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *one = kit_ask(job), *other = kit_ask(job);
	struct trial *ones = share(job, 1), *others = share(job, 2);

	kit_fail(job, one, "crashed");
	cr_assert_eq(ones->state, TRIAL_FAILED);
	cr_assert_eq(others->state, TRIAL_ASKED);
	kit_fail(job, other, "crashed, too");
	cr_assert_eq(others->state, TRIAL_FAILED);
	job_retry(job, one);
	cr_assert_eq(kit_count(job, LOGGED_TRIAL_RETRIED), 2);
	cr_assert_eq(ones->state, TRIAL_ASKED);
	cr_assert_eq(others->state, TRIAL_FAILED);
	kit_tell(job, one, 0.9, 50);
	cr_assert_eq(ones->state, TRIAL_TOLD);
	cr_assert_eq(others->state, TRIAL_FAILED);
	job_retry(job, other);
	kit_tell(job, other, 0.9, 60);
	cr_assert_eq(ones->objectives[0], 50);
	cr_assert_eq(others->objectives[0], 60);
	job_exclude(job, one, "busy");
	cr_assert_eq(kit_count(job, LOGGED_TRIAL_EXCLUDED), 2);
	cr_assert(ones->excluded && !other->excluded && !others->excluded);
	job_exclude(job, other, "busy");
	job_include(job, one);
	cr_assert_eq(kit_count(job, LOGGED_TRIAL_INCLUDED), 2);
	cr_assert(!ones->excluded && other->excluded && others->excluded);
	kit_check_again(job, ON);
	job_destroy(job);
}

/* What shares the baseline's answer was not measured. */
Test(twins, a_job_may_measure_nothing_but_the_baseline)
{
	struct job *job = kit_running(ON, 0.9);
	struct config *config =
		config_from_changes(job->spec->space, (struct config_change[]){{0, 2}, {1, 2}}, 2);
	struct question question = {.kind = QUESTION_EVALUATE, .stage = "s", .config = config};

	cr_assert_null(job_ask(job, &question));
	cr_assert_not(job_measured_nothing(job), "nothing failed either");
	kit_fail(job, kit_ask(job), "crashed");
	cr_assert(job_measured_nothing(job));
	cr_assert_null(share(job, 2)->told);
	cr_assert(job_measured_nothing(job));
	kit_tell(job, kit_ask(job), 0.9, 50);
	cr_assert_not(job_measured_nothing(job));
	config_destroy(config);
	job_destroy(job);
}

/* Where the strategy wants the baseline's config measured, its trial may make the baseline the best. */
Test(twins, the_baseline_is_best_as_long_as_the_trial_counts_that_has_its_config)
{
	struct job *job = kit_running(
		", \"tuning_criterion\": {\"strategy\": \"basic\", \"stop_on\": \"budget\"}", 0.9);
	struct config *config =
		config_from_changes(job->spec->space, (struct config_change[]){{0, 2}, {1, 2}}, 2);
	struct question question = {.kind = QUESTION_EVALUATE, .stage = "s", .config = config};
	struct trial *trial = job_ask(job, &question);

	cr_assert_not_null(trial);
	kit_tell(job, trial, 0.9, 100);
	kit_settle(job);
	cr_assert_eq(job->best, job->trials[0]);
	job_exclude(job, trial, "busy");
	cr_assert_null(job->best);
	config_destroy(config);
	job_destroy(job);
}

/* It is no news only as long as it counts. */
Test(twins, the_best_is_named_again_once_it_was_measured_anew)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *trial = kit_ask(job);

	kit_tell(job, trial, 0.9, 50);
	kit_settle(job);
	cr_assert_eq(job->named, trial);
	cr_assert_eq(kit_count(job, LOGGED_NEW_BEST), 1);
	job_exclude(job, trial, "busy");
	cr_assert_null(job->best);
	job_retry(job, trial);
	kit_tell(job, trial, 0.9, 55);
	kit_settle(job);
	cr_assert_eq(job->best, trial);
	cr_assert_eq(kit_count(job, LOGGED_NEW_BEST), 2);
	kit_check_again(job, ON);
	job_destroy(job);
}

/* Whatever result ends the waiting. */
Test(twins, what_waited_to_be_asked_again_waits_no_more_once_it_has_a_result)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *told = kit_ask(job), *pruned = kit_ask(job), *failed = kit_ask(job);

	for (int64_t i = 1; i <= 3; i++) {
		kit_record(job, LOGGED_ATTEMPT_FAILED, i, "{\"counts\": false, \"waits\": true}");
	}
	cr_assert_eq(job->retries, 3);
	kit_tell(job, told, 0.9, 50);
	cr_assert_eq(job->retries, 2);
	kit_fail(job, failed, "crashed");
	cr_assert_eq(job->retries, 1);
	cr_assert_eq(job->failed_in_row, 1);
	kit_record(job, LOGGED_TRIAL_PRUNED, 2, "{\"estimate\": 0.5, \"margin\": -44}");
	cr_assert_eq(job->retries, 0);
	cr_assert_eq(job->failed_in_row, 0);
	cr_assert_not(told->retried || pruned->retried || failed->retried);
	cr_assert_eq(job->out, 0);
	kit_check_again(job, ON);
	job_destroy(job);
}

/* How long the job has been active is in each event that ends a measurement. */
Test(twins, every_result_says_how_long_the_job_was_active)
{
	struct job *job = kit_running(ON, 0.9);

	(void)kit_ask(job);
	(void)kit_ask(job);
	(void)kit_ask(job);
	kit_record(job, LOGGED_TRIAL_TOLD, 1,
		   "{\"accuracy\": 0.9, \"metrics\": {\"latency_ms\": 50}, \"active_s\": 1.5}");
	cr_assert_eq(job->active_s, 1.5);
	kit_record(job, LOGGED_TRIAL_FAILED, 2, "{\"error\": \"crashed\", \"active_s\": 2.5}");
	cr_assert_eq(job->active_s, 2.5);
	kit_record(job, LOGGED_TRIAL_PRUNED, 3,
		   "{\"estimate\": 0.5, \"margin\": -44, \"active_s\": 3.5}");
	cr_assert_eq(job->active_s, 3.5);
	job_destroy(job);
}

Test(twins, who_is_measured_again_has_not_failed_yet)
{
	struct job *job = kit_running(ON, 0.9);
	struct trial *trial = kit_ask(job);

	kit_record(job, LOGGED_ATTEMPT_FAILED, 1, "{\"error\": \"crashed\"}");
	kit_fail(job, trial, "crashed");
	cr_assert_eq(trial->failures, 1);
	job_retry(job, trial);
	cr_assert_eq(trial->failures, 0);
	kit_check_again(job, ON);
	job_destroy(job);
}

Test(twins, a_warning_with_a_topic_is_about_waiting)
{
	struct job *job = kit_running(ON, 0.9);

	kit_record(job, LOGGED_WARNING, -1, "{\"detail\": \"d\"}");
	cr_assert_not(job->waits_known);
	kit_record(job, LOGGED_WARNING, -1, "{\"detail\": \"d\", \"topic\": \"order\"}");
	cr_assert(job->waits_known);
	kit_record(job, LOGGED_WARNING, -1, "{\"detail\": \"d\"}");
	cr_assert(job->waits_known);
	job_destroy(job);
}

/* No daemon writes that: its job has ended. */
Test(twins, a_log_may_say_that_the_baseline_is_measured_again)
{
	struct job *job = kit_job(ON);

	(void)job_ask_baseline(job);
	cr_assert_eq(kit_replay(job, LOGGED_TRIAL_FAILED, 0, "{\"error\": \"crashed\"}"), 0);
	cr_assert_eq(kit_replay(job, LOGGED_TRIAL_RETRIED, 0, "{}"), 0);
	cr_assert_eq(job->trials[0]->state, TRIAL_ASKED);
	cr_assert_eq(job->result_count, 0);
	job_destroy(job);
}
